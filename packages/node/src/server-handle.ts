import type { Server } from "@quorate/server";

export type { ExitReason, NodeStatus } from "@quorate/server";

/** What the edge of a node needs of its server. */
export type ServerHandle = Pick<
  Server,
  | "done"
  | "committed"
  | "service"
  | "pressure"
  | "status"
  | "submit"
  | "read"
  | "ping"
  | "resetConnections"
  | "stop"
>;
