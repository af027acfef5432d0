import { connect, type Socket } from "node:net";
import { QuorateError } from "@quorate/protocol";
import {
  AuthPacket,
  ConnectRequest,
  ConnectResponse,
  FrameDecoder,
  JuteReader,
  JuteWriter,
  ReplyHeader,
  RequestHeader,
  ZkOp,
  ZkXid,
  type Field,
} from "@quorate/zookeeper";
import { ANSWER_BYTES_MAX, ANSWER_MS_MAX, CONNECT_MS, SESSION_MS } from "./limits.js";

export interface Credential {
  readonly scheme: string;
  readonly auth: string;
}

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly credentials: readonly Credential[];
  /** A server that is behind this one closes the connection. */
  readonly lastZxid: bigint;
}

/** What the source said in place of an answer: ZooKeeper's number. */
export class ZkRefusal extends Error {
  constructor(readonly err: number) {
    super(`ZooKeeper's error ${err}`);
    this.name = "ZkRefusal";
  }
}

/** The connection is gone: whoever asked may ask on another. */
export class LinkLost extends Error {
  override readonly name = "LinkLost";
}

interface Waiting {
  readonly xid: number;
  readonly since: number;
  settle(error: Error | null, body: JuteReader | null): void;
}

const NO_PASSWORD = new Uint8Array(16);

/** One connection and its session, as any client of ZooKeeper has them; it only reads. */
export class ZkLink {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(ANSWER_BYTES_MAX);
  /** In the order in which they are answered. Pings and credentials are not among them. */
  #waiting: Waiting[] = [];
  #waitingAt = 0;
  #xid = 0;
  #lastZxid: bigint;
  #timer: NodeJS.Timeout | null = null;
  #onConnected: ((error: Error | null) => void) | null = null;
  #onAuth: ((error: Error | null) => void) | null = null;
  #isConnected = false;
  #ended: Error | null = null;
  #out: JuteWriter | null = null;

  private constructor(socket: Socket, lastZxid: bigint) {
    this.#socket = socket;
    this.#lastZxid = lastZxid;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => this.#received(bytes));
    socket.on("error", (error) => this.#end(new LinkLost(error.message)));
    socket.on("close", () => this.#end(new LinkLost("the connection closed")));
  }

  /** @throws (rejects) LinkLost; ERR_SESSION_AUTH_FAILED for a credential. */
  static async open({ host, port, credentials, lastZxid }: LinkOptions): Promise<ZkLink> {
    const link = new ZkLink(connect({ host, port }), lastZxid);
    const timer = setTimeout(() => {
      link.#end(new LinkLost(`${host}:${port} did not answer within ${CONNECT_MS} ms`));
    }, CONNECT_MS);
    try {
      await link.#connect();
      for (const credential of credentials) await link.#authenticate(credential);
      return link;
    } catch (error) {
      link.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The newest state that this client has heard of. */
  get lastZxid(): bigint {
    return this.#lastZxid;
  }

  get isOpen(): boolean {
    return this.#ended === null;
  }

  /** @throws (rejects) ZkRefusal, LinkLost. */
  request<Q, A>(op: number, request: Field<Q>, value: Q, answer: Field<A>): Promise<A> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(this.#ended);
        return;
      }
      this.#xid = (this.#xid + 1) & 0x7fff_ffff;
      const xid = this.#xid;
      this.#waiting.push({
        xid,
        since: Date.now(),
        settle: (error, body) => {
          if (error !== null || body === null) {
            reject(error ?? new LinkLost("no answer"));
            return;
          }
          try {
            resolve(answer.read(body));
          } catch (unreadable) {
            reject(unreadable instanceof Error ? unreadable : new Error(String(unreadable)));
          }
        },
      });
      this.#send((writer) => {
        RequestHeader.write(writer, { xid, type: op });
        request.write(writer, value);
      });
    });
  }

  /** Ends the session, as far as that can be told. */
  close(): void {
    if (this.#ended !== null) return;
    if (this.#isConnected) {
      this.#send((writer) => RequestHeader.write(writer, { xid: 0, type: ZkOp.closeSession }));
      this.#flush();
    }
    this.#end(new LinkLost("closed"), true);
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onConnected = (error) => (error === null ? resolve() : reject(error));
      this.#send((writer) => {
        ConnectRequest.write(writer, {
          protocolVersion: 0,
          lastZxidSeen: this.#lastZxid,
          timeOut: SESSION_MS,
          sessionId: 0n,
          passwd: NO_PASSWORD,
        });
        writer.boolean(false);
      });
    });
  }

  #authenticate({ scheme, auth }: Credential): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onAuth = (error) => (error === null ? resolve() : reject(error));
      this.#send((writer) => {
        RequestHeader.write(writer, { xid: ZkXid.auth, type: ZkOp.auth });
        AuthPacket.write(writer, { type: 0, scheme, auth: Buffer.from(auth) });
      });
    });
  }

  /** All that is asked within a turn leaves in one piece. */
  #send(write: (writer: JuteWriter) => void): void {
    if (this.#out === null) {
      this.#out = new JuteWriter();
      setImmediate(() => this.#flush());
    }
    const at = this.#out.beginFrame();
    write(this.#out);
    this.#out.endFrame(at);
  }

  #flush(): void {
    const bytes = this.#out?.bytes();
    this.#out = null;
    if (bytes !== undefined && this.#ended === null) this.#socket.write(bytes);
  }

  #received(bytes: Uint8Array): void {
    try {
      this.#decoder.push(bytes);
      for (let packet = this.#decoder.next(); packet !== null; packet = this.#decoder.next()) {
        this.#take(new JuteReader(packet));
        if (this.#ended !== null) return;
      }
    } catch (error) {
      // Not one that another connection would mend.
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(reader: JuteReader): void {
    if (!this.#isConnected) {
      this.#connected(reader);
      return;
    }
    const { xid, zxid, err } = ReplyHeader.read(reader);
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
    if (xid === ZkXid.ping || xid === ZkXid.notification) return;
    if (xid === ZkXid.auth) {
      const failed = new QuorateError("ERR_SESSION_AUTH_FAILED", "the source refused a credential");
      this.#onAuth?.(err === 0 ? null : failed);
      this.#onAuth = null;
      return;
    }
    const waiting = this.#waiting[this.#waitingAt];
    if (waiting?.xid !== xid) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", `the source answered ${xid} out of order`);
    }
    this.#waitingAt += 1;
    if (this.#waitingAt === this.#waiting.length) {
      this.#waiting = [];
      this.#waitingAt = 0;
    }
    if (err === 0) waiting.settle(null, reader);
    else waiting.settle(new ZkRefusal(err), null);
  }

  #connected(reader: JuteReader): void {
    const { sessionId, timeOut } = ConnectResponse.read(reader);
    if (sessionId === 0n) throw new LinkLost("the source gave no session");
    this.#isConnected = true;
    this.#timer = setInterval(() => this.#tick(), Math.max(timeOut / 3, 100));
    this.#onConnected?.(null);
    this.#onConnected = null;
  }

  #tick(): void {
    const oldest = this.#waiting[this.#waitingAt];
    if (oldest !== undefined && Date.now() - oldest.since > ANSWER_MS_MAX) {
      this.#end(new LinkLost(`no answer within ${ANSWER_MS_MAX} ms`));
      return;
    }
    this.#send((writer) => RequestHeader.write(writer, { xid: ZkXid.ping, type: ZkOp.ping }));
  }

  #end(error: Error, inOrder = false): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    if (this.#timer !== null) clearInterval(this.#timer);
    if (inOrder) this.#socket.end(() => this.#socket.destroy());
    else this.#socket.destroy();
    this.#onConnected?.(error);
    this.#onAuth?.(error);
    const waiting = this.#waiting.slice(this.#waitingAt);
    this.#waiting = [];
    this.#waitingAt = 0;
    for (const one of waiting) one.settle(error, null);
  }
}
