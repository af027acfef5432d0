import { ACL_FORM } from "./acl-text.js";
import type { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";

export const SESSION_TIMEOUT = {
  type: "number",
  default: 10_000,
  describe: "Milliseconds without a sign of life after which the session ends",
} as const;

/** The servers that `quorate start` runs. */
const DEFAULT_SERVERS = ["127.0.0.1:4181", "127.0.0.1:4182", "127.0.0.1:4183"];

export type Done = (work: Promise<ExitCode | void>) => Promise<void>;

/** What all commands that ask a server have in common. */
export function serverOptions(io: Io) {
  const fromEnvironment = io.env["QUORATE_SERVER"]?.split(",").filter((text) => text !== "");
  return {
    server: {
      type: "string",
      array: true,
      nargs: 1,
      describe: "HOST:PORT of any node; repeat it to name several",
      default: fromEnvironment ?? DEFAULT_SERVERS,
      defaultDescription: "$QUORATE_SERVER, or the nodes of `quorate start`",
    },
    timeout: { type: "number", describe: "Milliseconds to wait for the answer", default: 5000 },
    json: { type: "boolean", describe: "Print JSON", default: false },
  } as const;
}

/** What those that read or change the tree have, too. */
export function clientOptions(io: Io) {
  return {
    ...serverOptions(io),
    "auth-file": {
      type: "string",
      describe: "Prove the identities in this file, a line each: digest:user:password",
      default: undefined as string | undefined,
      defaultDescription: "$QUORATE_AUTH",
    },
  } as const;
}

export const path = {
  type: "string",
  demandOption: true,
  describe: "As in ZooKeeper: /a/b",
} as const;

/** A text to yargs, to which an empty one is the number 0. */
export const ifVersion = {
  type: "string",
  describe: "Refuse unless the node has this version",
} as const;

export const linearizable = {
  type: "boolean",
  default: false,
  describe: "See every write that was acknowledged before, by whichever node",
} as const;

export const createOptions = {
  ephemeral: { type: "boolean", default: false, describe: "It goes with this command: Ctrl-C" },
  sequential: { type: "boolean", default: false, describe: "Its number is added to its name" },
  container: { type: "boolean", default: false, describe: "It goes with its last child" },
  ttl: { type: "number", describe: "It goes so many ms after its last change, if it can" },
  acl: { type: "string", describe: `Who may do what with it: ${ACL_FORM}` },
  "session-timeout": SESSION_TIMEOUT,
} as const;
