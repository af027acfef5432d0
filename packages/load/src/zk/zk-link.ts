import { connect, type Socket } from "node:net";
import { ConnectResponse, JuteReader, JuteWriter } from "@quorate/zookeeper";

const CONNECT_MS = 3_000;
const PASSWORD_BYTES = 16;
const READ_BYTES = 64 * 1024;
/** One for all sockets: what arrives is looked at within the turn in which it came. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

export interface ZkSession {
  readonly id: bigint;
  readonly password: Uint8Array;
}

export const noSession: ZkSession = { id: 0n, password: new Uint8Array(PASSWORD_BYTES) };

export interface ZkLinkHandlers {
  /** Valid within the call. */
  onData(chunk: Buffer): void;
  /** Once, after it was established. */
  onClosed(): void;
}

/** An established connection: what arrives and leaves are frames from now on. */
export interface ZkLink {
  readonly socket: Socket;
  readonly session: ZkSession;
}

/**
 * Connects and introduces itself; a session that has ended is followed by a new one only when it is
 * asked for. @throws (rejects) when nobody answers in time, or the session has ended.
 */
export function openLink(
  server: string,
  session: ZkSession,
  sessionMs: number,
  handlers: ZkLinkHandlers,
): Promise<ZkLink> {
  const [host = "", port = ""] = splitAddress(server);
  return new Promise((resolve, reject) => {
    let isOpen = false;
    let first = Buffer.alloc(0);
    const onBytes = (count: number): boolean => {
      const chunk = readBuffer.subarray(0, count);
      if (isOpen) {
        handlers.onData(chunk);
        return true;
      }
      first = Buffer.concat([first, chunk]);
      if (first.length < 4 || first.length < 4 + first.readInt32BE(0)) return true;
      const answered = ConnectResponse.read(new JuteReader(first.subarray(4)));
      if (answered.sessionId === 0n) {
        socket.destroy(new Error("the session has ended"));
        return true;
      }
      isOpen = true;
      socket.setTimeout(0);
      const { sessionId: id, passwd } = answered;
      resolve({ socket, session: { id, password: passwd ?? noSession.password } });
      return true;
    };
    const socket = connect({
      host,
      port: Number(port),
      noDelay: true,
      timeout: CONNECT_MS,
      onread: { buffer: readBuffer, callback: onBytes },
    });
    socket.once("connect", () => socket.write(introductionOf(session, sessionMs)));
    socket.on("timeout", () => socket.destroy(new Error(`${server} does not answer`)));
    socket.on("error", (error) => reject(error));
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      if (isOpen) handlers.onClosed();
      else reject(new Error(`${server} closed the connection`));
    });
  });
}

function splitAddress(server: string): [string, string] {
  const colon = server.lastIndexOf(":");
  return [server.slice(0, colon).replace(/^\[|\]$/g, ""), server.slice(colon + 1)];
}

function introductionOf(session: ZkSession, sessionMs: number): Buffer {
  const writer = new JuteWriter();
  const at = writer.beginFrame();
  writer.int(0);
  writer.long(0n);
  writer.int(sessionMs);
  writer.long(session.id);
  writer.buffer(session.password);
  writer.boolean(false);
  writer.endFrame(at);
  return Buffer.from(writer.bytes());
}
