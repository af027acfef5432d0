import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { OPEN_ACL, type AclEntry, type Stat } from "@quorate/znode";
import {
  AuthPacket,
  ConnectRequest,
  ConnectResponse,
  FrameDecoder,
  GetAclResponse,
  GetChildren2Response,
  GetDataResponse,
  JuteReader,
  JuteWriter,
  PathRequest,
  PathResponse,
  PathWatchRequest,
  ReplyHeader,
  RequestHeader,
  StatResponse,
  ZkError,
  ZkOp,
  ZkXid,
  type Field,
} from "@quorate/zookeeper";

export interface FakeNode {
  data?: Uint8Array;
  acl?: readonly AclEntry[];
  stat?: Partial<Record<keyof Stat, number | bigint>>;
  /** Not for those that asked so far. */
  isHidden?: boolean;
}

const PACKET_BYTES_MAX = 1 << 20;

/** A source that does what the test says: hides nodes, changes them meanwhile, hangs up. */
export class FakeZookeeper implements AsyncDisposable {
  readonly nodes = new Map<string, FakeNode>();
  readonly asked: string[] = [];
  readonly lastZxids: bigint[] = [];
  readonly credentials: string[] = [];
  zxid = 7n << 32n;
  /** Before each answer. Throws to close the connection in its place. */
  onAsked: (what: string) => void = () => undefined;
  acceptsCredentials = true;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(nodes: Readonly<Record<string, FakeNode>> = {}): Promise<FakeZookeeper> {
    const fake = new FakeZookeeper();
    for (const [path, node] of Object.entries({ "/": {}, ...nodes })) fake.nodes.set(path, node);
    fake.#server.listen(0, "127.0.0.1");
    await once(fake.#server, "listening");
    return fake;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  /** A write at the source. */
  put(path: string, node: FakeNode): void {
    this.zxid += 1n;
    this.nodes.set(path, { ...node, stat: { ...node.stat, mzxid: this.zxid } });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const decoder = new FrameDecoder(PACKET_BYTES_MAX);
    let isConnected = false;
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => {
      decoder.push(bytes);
      try {
        for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
          const reader = new JuteReader(packet);
          const answer = isConnected ? this.#answer(reader) : this.#connect(reader);
          isConnected = true;
          if (answer !== null) socket.write(answer);
        }
      } catch {
        // The test wants the connection to be lost.
        socket.destroy();
      }
    });
  }

  #connect(reader: JuteReader): Uint8Array {
    this.lastZxids.push(ConnectRequest.read(reader).lastZxidSeen);
    const passwd = new Uint8Array(16);
    return framed((writer) => {
      ConnectResponse.write(writer, { protocolVersion: 0, timeOut: 4000, sessionId: 5n, passwd });
    });
  }

  #answer(reader: JuteReader): Uint8Array | null {
    const { xid, type } = RequestHeader.read(reader);
    if (type === ZkOp.closeSession) return null;
    if (xid === ZkXid.auth) {
      const { scheme, auth } = AuthPacket.read(reader);
      this.credentials.push(`${scheme ?? ""}:${Buffer.from(auth ?? []).toString()}`);
      return this.#reply(xid, this.acceptsCredentials ? 0 : ZkError.authFailed);
    }
    if (xid === ZkXid.ping) return this.#reply(xid, 0);
    const request = type === ZkOp.sync || type === ZkOp.getAcl ? PathRequest : PathWatchRequest;
    const path = (request.read(reader) as { path: string | null }).path ?? "";
    const what = `${NAMES.get(type) ?? type} ${path}`;
    this.asked.push(what);
    this.onAsked(what);
    if (type === ZkOp.sync) return this.#reply(xid, 0, PathResponse, { path });
    const node = this.nodes.get(path);
    if (node === undefined) return this.#reply(xid, ZkError.noNode);
    if (node.isHidden === true && type !== ZkOp.exists) return this.#reply(xid, ZkError.noAuth);
    const children = this.#childrenOf(path);
    const stat = statOf(node, children.length);
    if (type === ZkOp.exists) return this.#reply(xid, 0, StatResponse, { stat });
    if (type === ZkOp.getData) {
      return this.#reply(xid, 0, GetDataResponse, { data: node.data ?? null, stat });
    }
    if (type === ZkOp.getChildren2) {
      return this.#reply(xid, 0, GetChildren2Response, { children, stat });
    }
    const entries = node.acl ?? OPEN_ACL;
    const acl = entries.map(({ perms, scheme, id }) => ({ perms, id: { scheme, id } }));
    return this.#reply(xid, 0, GetAclResponse, { acl, stat });
  }

  #childrenOf(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return [...this.nodes.keys()]
      .filter((other) => other.startsWith(prefix) && other.length > prefix.length)
      .map((other) => other.slice(prefix.length))
      .filter((name) => !name.includes("/"));
  }

  #reply(xid: number, err: number): Uint8Array;
  #reply<T>(xid: number, err: number, field: Field<T>, value: T): Uint8Array;
  #reply(xid: number, err: number, field?: Field<unknown>, value?: unknown): Uint8Array {
    return framed((writer) => {
      ReplyHeader.write(writer, { xid, zxid: this.zxid, err });
      field?.write(writer, value);
    });
  }
}

const NAMES = new Map<number, string>(Object.entries(ZkOp).map(([name, op]) => [op, name]));

function statOf({ stat, data }: FakeNode, numChildren: number): Stat {
  return {
    czxid: 7n << 32n,
    mzxid: 7n << 32n,
    ctime: 1_600_000_000_000,
    mtime: 1_600_000_000_000,
    version: 0,
    cversion: numChildren,
    aversion: 0,
    ephemeralOwner: 0n,
    dataLength: data?.length ?? 0,
    numChildren,
    pzxid: 7n << 32n,
    ...stat,
  } as Stat;
}

function framed(write: (writer: JuteWriter) => void): Uint8Array {
  const writer = new JuteWriter();
  const at = writer.beginFrame();
  write(writer);
  writer.endFrame(at);
  return writer.bytes();
}
