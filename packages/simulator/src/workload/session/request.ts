import type { CreateMode } from "@quorate/znode";

export type Part =
  | {
      readonly kind: "create";
      readonly path: string;
      readonly value: string;
      readonly mode: CreateMode;
    }
  | {
      readonly kind: "set";
      readonly path: string;
      readonly value: string;
      readonly version: number;
    }
  | { readonly kind: "delete"; readonly path: string; readonly version: number }
  | { readonly kind: "check"; readonly path: string; readonly version: number };

/** What a session client asks for. */
export type SessionRequest =
  | Exclude<Part, { kind: "check" }>
  | { readonly kind: "multi"; readonly parts: readonly Part[] }
  | {
      readonly kind: "get" | "exists" | "children";
      readonly path: string;
      readonly watch: boolean;
    }
  | { readonly kind: "addWatch"; readonly path: string; readonly isRecursive: boolean }
  | { readonly kind: "sync" }
  | { readonly kind: "closeSession" };
