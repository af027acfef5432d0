import { setTimeout as pause } from "node:timers/promises";
import { Kind, WriteBuffers, ZkConnection } from "@quorate/load";
import { ZkOp } from "@quorate/zookeeper";
import type { WireProtocol } from "../contenders/contender.js";
import { EtcdConnection } from "../contenders/etcd-connection.js";
import type { FirstWriteOrder } from "./errands.js";

const RETRY_MS = 5;
const openAcl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

/** Tries one server after the other until a write is acknowledged; @returns the attempt it was. */
export async function firstWrite(protocol: WireProtocol, order: FirstWriteOrder): Promise<number> {
  const deadline = performance.now() + order.timeoutMs;
  const attempt = protocol === "etcd" ? writeToEtcd : writeToZookeeper;
  for (let attempts = 0; ; attempts += 1) {
    const server = order.servers[attempts % order.servers.length] ?? "";
    const error = await attempt(server, order.path);
    if (error === null) return attempts;
    if (performance.now() > deadline) throw new Error(`no first write: ${error}`);
    await pause(RETRY_MS);
  }
}

async function writeToZookeeper(server: string, path: string): Promise<string | null> {
  const connection = new ZkConnection(
    {
      index: 0,
      servers: [server],
      outstanding: 1,
      templates: [],
      buffers: new WriteBuffers(),
      reconnects: false,
    },
    { opened: () => undefined, answered: () => undefined },
  );
  try {
    // The first refusal is the answer.
    await connection.open(0);
    const data = new Uint8Array(0);
    const error = await connection.request(ZkOp.create, { path, data, acl: openAcl, flags: 0 });
    return error === "nodeExists" ? null : error;
  } catch (error) {
    return String(error);
  } finally {
    connection.drop();
  }
}

/** A write that a server without a leader holds would hide that another one has it. */
const ETCD_DEADLINE_MS = 250;

function writeToEtcd(server: string): Promise<string | null> {
  return new Promise((resolve) => {
    const value = new Uint8Array(0);
    const options = { index: 0, servers: [server], root: "/first", value };
    const connection = new EtcdConnection(
      { ...options, deadlineMs: ETCD_DEADLINE_MS },
      {
        opened: () => undefined,
        answered: (_index, _kind, _key, _from, _at, error) => {
          void connection.close();
          resolve(error);
        },
      },
    );
    connection.send(Kind.set, 0, 0);
  });
}
