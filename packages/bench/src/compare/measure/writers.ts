import {
  valueOf,
  WriteBuffers,
  ZkConnection,
  zkTemplates,
  type LoadConnection,
  type LoadSink,
} from "@quorate/load";
import type { WireProtocol } from "../contenders/contender.js";
import { EtcdConnection } from "../contenders/etcd-connection.js";

const OPEN_MS = 30_000;
/** etcd forgets a write whose leader dies before it is logged; the client waits for this. */
const ETCD_DEADLINE_MS = 500;

export interface WriterOptions {
  readonly servers: readonly string[];
  readonly root: string;
  readonly valueBytes: number;
}

/** A connection that outlives its server, of either protocol; it is open when this resolves. */
export async function openWriter(
  protocol: WireProtocol,
  { servers, root, valueBytes }: WriterOptions,
  index: number,
  sink: LoadSink,
  outstanding: number,
): Promise<LoadConnection> {
  const value = valueOf(valueBytes);
  if (protocol === "etcd") {
    const options = { index, servers, root, value, deadlineMs: ETCD_DEADLINE_MS };
    const connection = new EtcdConnection(options, sink);
    await connection.open(performance.now() + OPEN_MS);
    return connection;
  }
  const templates = zkTemplates(root, value);
  const buffers = new WriteBuffers();
  const options = { index, servers, outstanding, templates, buffers, reconnects: true };
  const connection = new ZkConnection(options, sink);
  await connection.open(performance.now() + OPEN_MS);
  return connection;
}
