import { toNodeId, type SessionOwner } from "@quorate/protocol";

/** @throws ERR_ARG_VALUE for what is neither a node's id nor 0. */
export function toSessionOwner(value: number): SessionOwner {
  return value === 0 ? 0 : toNodeId(value);
}
