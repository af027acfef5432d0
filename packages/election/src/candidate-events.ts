import type { Epoch, ErrorCode, LeaseMsg, NodeId, QuorumVerifier } from "@quorate/protocol";
import type { Claimant } from "./grant-book.js";
import type { LeaseArrival } from "./lease-channel.js";

export interface CandidateTimings {
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  readonly followerTimeoutMs: number;
}

export interface CandidateMachineOptions {
  readonly self: Claimant;
  readonly quorum: QuorumVerifier;
  readonly timings: CandidateTimings;
  readonly now: number;
}

/** Why a leader leads no longer. */
export type LostReason =
  /** No quorum has granted for a lease: cut off, paused, or its voters are gone. */
  | "lease"
  /** Another one leads with a greater term. */
  | "superseded"
  /** It was told to leave. */
  | "left"
  /** It ended with an error. */
  | "failed";

export type CandidateEvent =
  | {
      readonly kind: "ballotEnded";
      readonly leader: NodeId;
      /** The winner's epoch in the ballot: its term must exceed it. */
      readonly epoch: Epoch;
      /** In [0, 1). */
      readonly jitter: number;
    }
  | { readonly kind: "arrived"; readonly arrival: LeaseArrival }
  /** Only ends a lease whose time is over: before the arrivals that waited are looked at. */
  | { readonly kind: "leaseChecked" }
  | { readonly kind: "timePassed" }
  | { readonly kind: "leave" };

export type CandidateEffect =
  | { readonly kind: "startBallot" }
  /** Another source than a ballot says who leads, or is about to; ends a running ballot. */
  | { readonly kind: "noteLeader"; readonly leader: NodeId; readonly term: Epoch }
  | { readonly kind: "multicast"; readonly lease: LeaseMsg }
  | { readonly kind: "send"; readonly to: NodeId; readonly lease: LeaseMsg }
  | { readonly kind: "answer"; readonly to: NodeId; readonly lease: LeaseMsg }
  | { readonly kind: "lost"; readonly term: Epoch; readonly reason: LostReason }
  | { readonly kind: "stateChanged" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

/** What a candidate is, as its service sees it. */
export interface Standpoint {
  readonly status: "electing" | "leading" | "following" | "closed";
  readonly leader: NodeId | null;
  readonly term: Epoch | null;
}
