import { createHash, randomBytes } from "node:crypto";
import { createConnection, type Socket } from "node:net";
import { once } from "node:events";

/** A reply's header, and what follows it. */
export interface SaslReply {
  readonly xid: number;
  readonly err: number;
  readonly body: Buffer;
}

const OP = { create: 1, getData: 4, whoAmI: 107, sasl: 102 } as const;
const ANSWER_MS_MAX = 10_000;

/**
 * The client's side of a login by SASL DIGEST-MD5, written from RFC 2831 and ZooKeeper's records,
 * with nothing of the server's code in it: what both got wrong alike would pass for right.
 */
export class SaslClient implements AsyncDisposable {
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #xid = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy());
  }

  /** Begins a session. */
  static async connect(server: string): Promise<SaslClient> {
    const [host = "", port = ""] = server.split(":");
    const socket = createConnection({ host, port: Number(port) });
    await once(socket, "connect");
    const client = new SaslClient(socket);
    client.#send(Buffer.concat([int(0), long(0), int(10_000), long(0), ofBytes(Buffer.alloc(16))]));
    const timeoutMs = (await client.#frame())?.readInt32BE(4) ?? 0;
    if (timeoutMs <= 0) throw new Error("no session");
    return client;
  }

  /** Null when the server closes instead. */
  async ask(op: number, body: Buffer): Promise<SaslReply | null> {
    this.#xid += 1;
    this.#send(Buffer.concat([int(this.#xid), int(op), body]));
    const frame = await this.#frame();
    if (frame === null) return null;
    return { xid: frame.readInt32BE(0), err: frame.readInt32BE(12), body: frame.subarray(16) };
  }

  sasl(token: string): Promise<SaslReply | null> {
    return this.ask(OP.sasl, ofBytes(Buffer.from(token)));
  }

  /** Both steps. @returns the error of the last one; @throws when the server proves nothing. */
  async logIn(user: string, password: string): Promise<number> {
    const challenge = await this.sasl("");
    if (challenge?.err !== 0) throw new Error("no challenge");
    const login = new Login(tokenOf(challenge), user, password);
    const reply = await this.sasl(login.answer);
    if (reply === null) throw new Error("closed without an answer");
    if (reply.err === 0 && tokenOf(reply) !== `rspauth=${login.rspauth}`) {
      throw new Error("the server does not know the password");
    }
    return reply.err;
  }

  /** Data that nobody but a user of SASL may touch. */
  async createFor(user: string, path: string): Promise<number | undefined> {
    const acl = [int(1), int(31), ofText("sasl"), ofText(user)];
    const body = Buffer.concat([ofText(path), ofBytes(Buffer.from("x")), ...acl, int(0)]);
    return (await this.ask(OP.create, body))?.err;
  }

  async read(path: string): Promise<number | undefined> {
    return (await this.ask(OP.getData, Buffer.concat([ofText(path), Buffer.of(0)])))?.err;
  }

  async whoAmI(): Promise<string> {
    return (await this.ask(OP.whoAmI, Buffer.alloc(0)))?.body.toString("latin1") ?? "";
  }

  #send(payload: Buffer): void {
    this.#socket.write(ofBytes(payload));
  }

  async #frame(): Promise<Buffer | null> {
    for (;;) {
      const length = this.#buffer.length < 4 ? Infinity : this.#buffer.readInt32BE(0);
      if (this.#buffer.length >= 4 + length) {
        const frame = this.#buffer.subarray(4, 4 + length);
        this.#buffer = this.#buffer.subarray(4 + length);
        return frame;
      }
      const chunk = await nextOf(this.#socket);
      if (chunk === null) return null;
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.closed) return;
    this.#socket.destroy();
    await once(this.#socket, "close");
  }
}

/** What a client makes of a challenge (RFC 2831, 2.1.2 and 2.1.3). */
class Login {
  readonly answer: string;
  /** What a server that knows the password answers. */
  readonly rspauth: string;

  constructor(challenge: string, user: string, password: string) {
    const said = (name: string): string =>
      new RegExp(`(?:^|,)${name}="?([^",]*)"?`).exec(challenge)?.[1] ?? "";
    const [realm, nonce, cnonce] = [said("realm"), said("nonce"), randomBytes(16).toString("hex")];
    if (said("algorithm") !== "md5-sess") throw new Error(`another algorithm: ${challenge}`);
    const uri = `zookeeper/${realm}`;
    const secret = md5(Buffer.from(`${user}:${realm}:${password}`, "latin1"));
    const a1 = md5(Buffer.concat([secret, Buffer.from(`:${nonce}:${cnonce}`)])).toString("hex");
    const proof = (method: string): string => {
      const a2 = md5(Buffer.from(`${method}:${uri}`)).toString("hex");
      return md5(Buffer.from(`${a1}:${nonce}:00000001:${cnonce}:auth:${a2}`)).toString("hex");
    };
    this.rspauth = proof("");
    this.answer = [
      `charset=utf-8,username="${user}",realm="${realm}",nonce="${nonce}",nc=00000001`,
      `cnonce="${cnonce}",digest-uri="${uri}",response=${proof("AUTHENTICATE")},qop=auth`,
    ].join(",");
  }
}

function md5(bytes: Buffer): Buffer {
  return createHash("md5").update(bytes).digest();
}

function tokenOf({ body }: SaslReply): string {
  return body.subarray(4, 4 + body.readInt32BE(0)).toString("latin1");
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function long(value: number): Buffer {
  return Buffer.concat([int(0), int(value)]);
}

function ofBytes(bytes: Buffer): Buffer {
  return Buffer.concat([int(bytes.length), bytes]);
}

function ofText(text: string): Buffer {
  return ofBytes(Buffer.from(text));
}

/** Null when there is nothing more to come. */
function nextOf(socket: Socket): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const settle = (chunk: Buffer | null): void => {
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.pause();
      resolve(chunk);
    };
    const onData = (chunk: Buffer): void => settle(chunk);
    const onClose = (): void => settle(null);
    if (socket.closed) {
      resolve(null);
      return;
    }
    socket.on("data", onData);
    socket.on("close", onClose);
    socket.resume();
  });
}
