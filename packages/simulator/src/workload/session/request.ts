import type { CreateMode } from "@quorate/znode";
import type { AclName } from "./identities.js";

export type Part =
  | {
      readonly kind: "create";
      readonly path: string;
      readonly value: string;
      readonly mode: CreateMode;
      /** Default: everybody may do everything. */
      readonly acl?: AclName;
      /** Of a mode with a time to live. */
      readonly ttlMs?: number;
    }
  | {
      readonly kind: "set";
      readonly path: string;
      readonly value: string;
      readonly version: number;
    }
  | { readonly kind: "delete"; readonly path: string; readonly version: number }
  | { readonly kind: "check"; readonly path: string; readonly version: number };

/** Not to be part of a multi, there as here. */
export interface SetAclRequest {
  readonly kind: "setAcl";
  readonly path: string;
  readonly acl: AclName;
  /** That nobody else writes: it marks the ACL, unless that is open. */
  readonly value: string;
  /** Of the ACL, before it. */
  readonly version: number;
}

export interface ReadPart {
  readonly kind: "get" | "children";
  readonly path: string;
}

/** What a session client asks for. */
export type SessionRequest =
  | Exclude<Part, { kind: "check" }>
  | { readonly kind: "multi"; readonly parts: readonly Part[] }
  | { readonly kind: "multiRead"; readonly parts: readonly ReadPart[] }
  | {
      readonly kind: "get" | "exists" | "children";
      readonly path: string;
      readonly watch: boolean;
    }
  | SetAclRequest
  | { readonly kind: "getAcl"; readonly path: string }
  | { readonly kind: "addWatch"; readonly path: string; readonly isRecursive: boolean }
  | { readonly kind: "sync" }
  | { readonly kind: "closeSession" };
