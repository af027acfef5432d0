import type { Kind } from "./order.js";

/** Who hears what becomes of requests. Times are `performance.now()`, one for all at hand. */
export interface LoadSink {
  /** It can be used, for the first time or again. */
  opened(index: number): void;
  /** Null: carried out. Otherwise the error's name. Called from within a turn of the connection. */
  answered(
    index: number,
    kind: Kind,
    key: number,
    startedAt: number,
    at: number,
    error: string | null,
  ): void;
}

/** One connection of a load to one server, whatever its protocol. */
export interface LoadConnection {
  readonly isOpen: boolean;
  /** Requests that are not answered. */
  readonly inFlight: number;
  /** Takes a request, which leaves with the others of this turn at `flush`. Only while open. */
  send(kind: Kind, key: number, startedAt: number): void;
  flush(): void;
  /** Ends it, and its session where there is one. Idempotent. */
  close(): Promise<void>;
}

/** The error of requests whose connection ended first: what became of them is not known. */
export const CONNECTION_LOSS = "CONNECTION_LOSS";
