import { ZkOp, type AclEntry } from "@quorate/zookeeper";
import type { NormalItem } from "./normalise.js";
import { requestIn, type Step } from "./steps.js";

/** What a write that succeeded did to one node. */
export interface Write {
  readonly kind: "created" | "dataChanged" | "deleted" | "aclChanged";
  /** As it is named in the end: with the number of a sequential one. */
  readonly path: string;
  /** Of what was created or was given another one. */
  readonly acl: readonly AclEntry[] | null;
}

const OK = 0;

/** What the step did, in order, as its answer says. A session's end is not among it. */
export function writesOf(step: Step, items: readonly NormalItem[]): readonly Write[] {
  const request = requestIn(step);
  const reply = items.find(
    ({ kind, connection }) => kind === "reply" && connection === step.connection,
  );
  if (request === null || reply?.fields.err !== OK) return [];
  const { type, value } = request;
  const { body } = reply.fields;
  if (type !== ZkOp.multi) return writeOf(type, value, body);
  const results = (Array.isArray(body) ? body : []) as readonly Result[];
  if (results.some((result) => result.type === ZkOp.error)) return [];
  const ops = value as readonly { readonly type: number; readonly request: unknown }[];
  return ops.flatMap((op, i) => writeOf(op.type, op.request, results[i]?.value));
}

interface Result {
  readonly type: number;
  readonly value: unknown;
}

function writeOf(type: number, value: unknown, body: unknown): readonly Write[] {
  const { path, acl = null } = (value ?? {}) as Partial<Write>;
  if (typeof path !== "string") return [];
  switch (type) {
    case ZkOp.create:
    case ZkOp.create2:
    case ZkOp.createContainer:
    case ZkOp.createTtl: {
      const made = (body as { readonly path?: string } | undefined)?.path ?? path;
      return [{ kind: "created", path: made, acl: acl ?? [] }];
    }
    case ZkOp.setData:
      return [{ kind: "dataChanged", path, acl: null }];
    case ZkOp.setAcl:
      return [{ kind: "aclChanged", path, acl: acl ?? [] }];
    case ZkOp.delete:
      return [{ kind: "deleted", path, acl: null }];
    default:
      return [];
  }
}
