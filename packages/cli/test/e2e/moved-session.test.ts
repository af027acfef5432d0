import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { CreateRequest, ConnectRequest, JuteWriter, RequestHeader, ZkOp } from "@quorate/zookeeper";
import { others, startEnsemble, until } from "./support.js";

const SESSION_MS = 30_000;
const OPEN_ACL = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

function framed(write: (writer: JuteWriter) => void): Uint8Array {
  const writer = new JuteWriter();
  const frame = writer.beginFrame();
  write(writer);
  writer.endFrame(frame);
  return writer.bytes();
}

/** A connection that does only what it is told: no client of ZooKeeper keeps two of one session. */
class Connection {
  readonly socket: Socket;
  isClosed = false;
  #received = Buffer.alloc(0);
  #xid = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => (this.#received = Buffer.concat([this.#received, bytes])));
    socket.on("error", () => undefined);
    socket.on("close", () => (this.isClosed = true));
  }

  /** With the connect response, of which the session and its password are a part. */
  static async open(server: string, of: Connection | null): Promise<Connection> {
    const [host = "", port = ""] = server.split(":");
    const connection = new Connection(connect({ host, port: Number(port) }));
    sockets.push(connection.socket);
    await once(connection.socket, "connect");
    connection.socket.write(
      framed((writer) => {
        ConnectRequest.write(writer, {
          protocolVersion: 0,
          lastZxidSeen: 0n,
          timeOut: SESSION_MS,
          sessionId: of?.session ?? 0n,
          passwd: of?.password ?? new Uint8Array(16),
        });
        writer.boolean(false);
      }),
    );
    await until("a session", () => connection.#received.length >= 41);
    return connection;
  }

  get session(): bigint {
    return this.#received.readBigInt64BE(12);
  }

  get password(): Uint8Array {
    return this.#received.subarray(24, 40);
  }

  /** Whether so many replies have come whole. */
  hasAnswered(replies: number): boolean {
    let at = 41;
    for (let i = 0; i < replies; i += 1) {
      if (this.#received.length < at + 4) return false;
      at += 4 + this.#received.readInt32BE(at);
    }
    return this.#received.length >= at;
  }

  /** All that was received, as text. */
  text(): string {
    return this.#received.toString("latin1");
  }

  create(path: string): void {
    this.#xid += 1;
    const xid = this.#xid;
    this.socket.write(
      framed((writer) => {
        RequestHeader.write(writer, { xid, type: ZkOp.create });
        CreateRequest.write(writer, { path, data: new Uint8Array(), acl: OPEN_ACL, flags: 0 });
      }),
    );
  }
}

async function treeOf(server: string): Promise<string> {
  const reader = await Connection.open(server, null);
  reader.socket.write(
    framed((writer) => {
      RequestHeader.write(writer, { xid: 1, type: ZkOp.getChildren });
      writer.text("/");
      writer.boolean(false);
    }),
  );
  await until("the children", () => reader.hasAnswered(1));
  return reader.text();
}

describe("a session that has moved from a server that stands still", () => {
  it("writes no more through that one, whoever leads when it goes on", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const [still = 0, other = 0] = others(ensemble, leader);
    const old = await Connection.open(ensemble.serverOf(still), null);
    old.create("/first");
    await until("the first write", () => old.hasAnswered(1));

    ensemble.process(still).signal("SIGSTOP");
    old.create("/late");
    const moved = await Connection.open(ensemble.serverOf(other), old);
    expect(moved.session).toBe(old.session);
    moved.create("/second");
    await until("the write at the other server", () => moved.hasAnswered(1));

    await ensemble.kill("SIGKILL", leader);
    ensemble.process(still).signal("SIGCONT");
    await ensemble.untilReady([still, other]);
    // A path that was dead delivers late, too.
    if (!old.isClosed) old.create("/later");
    await until("the old connection to close", () => old.isClosed);

    moved.create("/third");
    await until("the next write", () => moved.hasAnswered(2));
    expect(moved.isClosed).toBe(false);
    const children = await treeOf(ensemble.serverOf(other));
    for (const name of ["first", "second", "third"]) expect(children).toContain(name);
    expect(children).not.toContain("late");
  });
});
