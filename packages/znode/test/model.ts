import type { AuthIdentity, Caller } from "@quorate/protocol";
import { CreateMode, type AclEntry } from "../src/index.js";
import { isTtl, TTL_MS, type Ask } from "./asks.js";

export interface ModelNode {
  data: Uint8Array;
  czxid: bigint;
  mzxid: bigint;
  pzxid: bigint;
  ctime: number;
  mtime: number;
  version: number;
  /** Creates and deletes of children, counted one by one, unlike in the machine. */
  cversion: number;
  aversion: number;
  creates: number;
  /** As Stat shows it. */
  owner: bigint;
  acl: readonly AclEntry[];
}

interface State {
  nodes: Map<string, ModelNode>;
  sessions: Set<bigint>;
}

/** What a request has led to. */
export interface Verdict {
  /** Null when done, else the code of the refusal. */
  readonly refusal: string | null;
  /** The operation of a multi that was refused. */
  readonly at: number | undefined;
  readonly events: readonly string[];
}

/** A refusal, thrown wherever it is found. */
class No extends Error {}

const BUILT_INS = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
const OPEN: readonly AclEntry[] = [{ perms: 31, scheme: "world", id: "anyone" }];
const CONTAINER = 1n << 63n;
const TTL = 0xffn << 56n;

/** The rules once more, as naively as possible: a map of paths, searched whole, copied to undo. */
export class Model {
  #state: State = { nodes: new Map(), sessions: new Set() };
  #events: string[] = [];
  #txnid = 0n;
  #timeMs = 0;

  constructor() {
    for (const path of BUILT_INS) this.nodes.set(path, newNode(0n, 0));
    // As in ZooKeeper, built-in children lower the count that is shown.
    this.#at("/").cversion = -1;
    this.#at("/zookeeper").cversion = -2;
    this.#at("/zookeeper/config").acl = [{ perms: 1, scheme: "world", id: "anyone" }];
  }

  get nodes(): Map<string, ModelNode> {
    return this.#state.nodes;
  }

  get sessions(): ReadonlySet<bigint> {
    return this.#state.sessions;
  }

  childrenOf(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return this.#below(path)
      .map((key) => key.slice(prefix.length))
      .filter((name) => !name.includes("/"))
      .sort();
  }

  ephemeralsOf(session: bigint): string[] {
    return [...this.nodes]
      .filter(([, { owner }]) => owner === session)
      .map(([path]) => path)
      .sort();
  }

  run(ask: Ask, txnid: bigint, timeMs: number): Verdict {
    const before = structuredClone(this.#state);
    this.#events = [];
    this.#txnid = txnid;
    this.#timeMs = timeMs;
    let at: number | undefined;
    try {
      if (ask.kind === "multi") {
        for (const [index, part] of ask.parts.entries()) {
          at = index;
          this.#one({ ...part, caller: ask.caller });
        }
      } else {
        this.#one(ask);
      }
      return { refusal: null, at: undefined, events: this.#events };
    } catch (error) {
      if (!(error instanceof No)) throw error;
      this.#state = before;
      return { refusal: error.message, at, events: [] };
    }
  }

  #one(ask: Ask): void {
    switch (ask.kind) {
      case "create":
        return this.#create(ask);
      case "set":
        return this.#set(ask);
      case "delete":
        return this.#delete(ask);
      case "setAcl":
        return this.#setAcl(ask);
      case "check":
        return this.#check(ask);
      case "open":
        if (this.sessions.has(ask.session)) throw new No("ERR_SESSION_EXISTS");
        this.#state.sessions.add(ask.session);
        this.#events.push(`opened ${ask.session}`);
        return;
      case "close":
        return this.#close(ask.session);
      case "expire":
        return this.#expire(ask.path);
      default:
        return;
    }
  }

  #create(ask: Ask): void {
    const isEphemeral =
      ask.mode === CreateMode.ephemeral || ask.mode === CreateMode.ephemeralSequential;
    if (isEphemeral && ask.caller.session === null) throw new No("ERR_ZNODE_BAD_ARGUMENTS");
    this.#mustBeOpen(ask.caller);
    const acl = resolve(ask.acl, ask.caller.identities);
    const parentPath = parentOf(ask.path);
    const parent = this.#find(parentPath);
    mustAllow(parent, 4, ask.caller);
    const isSequential = [2, 3, 6].includes(ask.mode);
    const suffix = isSequential ? String(parent.creates).padStart(10, "0") : "";
    const path = `${ask.path}${suffix}`;
    if (path !== "/" && path.endsWith("/")) throw new No("ERR_ARG_PATH");
    if (this.nodes.has(path)) throw new No("ERR_ZNODE_NODE_EXISTS");
    if (this.sessions.has(parent.owner) || this.#wasSession(parent.owner)) {
      throw new No("ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS");
    }
    this.#mustFit(path, 1, ask.data.length);
    parent.creates += 1;
    this.#childChanged(path);
    const node = newNode(this.#txnid, this.#timeMs);
    node.data = ask.data;
    node.acl = acl;
    if (isEphemeral && ask.caller.session !== null) node.owner = ask.caller.session;
    if (ask.mode === CreateMode.container) node.owner = CONTAINER;
    if (isTtl(ask.mode)) node.owner = TTL + BigInt(TTL_MS);
    this.nodes.set(path, node);
    if (path === "/zookeeper/quota/a/zookeeper_stats") {
      const counted = ["/a", ...this.#below("/a")].flatMap((key) => this.nodes.get(key) ?? []);
      const total = counted.reduce((sum, { data }) => sum + data.length, 0);
      node.data = text(`count=${counted.length},bytes=${total}`);
    }
    this.#charge(path, 1, ask.data.length);
    this.#events.push(`created ${path}`, `childrenChanged ${parentPath}`);
  }

  #set(ask: Ask): void {
    this.#mustBeOpen(ask.caller);
    if (ask.path.length > 1 && ask.path.endsWith("/")) throw new No("ERR_ARG_PATH");
    const node = this.#find(ask.path);
    mustAllow(node, 2, ask.caller);
    const more = ask.data.length - node.data.length;
    this.#mustFit(ask.path, 0, more);
    mustMatch(ask.version, node.version);
    node.data = ask.data;
    node.mzxid = this.#txnid;
    node.mtime = this.#timeMs;
    node.version += 1;
    this.#charge(ask.path, 0, more);
    this.#events.push(`dataChanged ${ask.path}`);
  }

  #delete(ask: Ask): void {
    this.#mustBeOpen(ask.caller);
    if (BUILT_INS.includes(ask.path)) throw new No("ERR_ZNODE_BAD_ARGUMENTS");
    mustAllow(this.#find(parentOf(ask.path)), 8, ask.caller);
    const node = this.#find(ask.path);
    mustMatch(ask.version, node.version);
    if (this.#below(ask.path).length > 0) throw new No("ERR_ZNODE_NOT_EMPTY");
    this.#remove(ask.path);
  }

  #setAcl(ask: Ask): void {
    this.#mustBeOpen(ask.caller);
    if (ask.path.length > 1 && ask.path.endsWith("/")) throw new No("ERR_ARG_PATH");
    const acl = resolve(ask.acl, ask.caller.identities);
    const node = this.#find(ask.path);
    mustAllow(node, 16, ask.caller);
    mustMatch(ask.version, node.aversion);
    node.acl = acl;
    node.aversion += 1;
  }

  #check(ask: Ask): void {
    this.#mustBeOpen(ask.caller);
    if (ask.path.length > 1 && ask.path.endsWith("/")) throw new No("ERR_ARG_PATH");
    const node = this.#find(ask.path);
    mustAllow(node, 1, ask.caller);
    mustMatch(ask.version, node.version);
  }

  #close(session: bigint): void {
    if (!this.sessions.has(session)) throw new No("ERR_SESSION_EXPIRED");
    for (const path of this.ephemeralsOf(session)) this.#remove(path);
    this.#state.sessions.delete(session);
    this.#events.push(`closed ${session}`);
  }

  #expire(path: string): void {
    if (BUILT_INS.includes(path)) throw new No("ERR_ZNODE_BAD_ARGUMENTS");
    const { creates, mtime, owner } = this.#find(path);
    if (this.#below(path).length > 0) throw new No("ERR_ZNODE_NOT_EMPTY");
    const isDue =
      (owner === CONTAINER && creates > 0) ||
      (owner === TTL + BigInt(TTL_MS) && this.#timeMs > mtime + TTL_MS);
    if (!isDue) throw new No("ERR_ZNODE_BAD_VERSION");
    this.#remove(path);
  }

  #remove(path: string): void {
    const { data } = this.#at(path);
    this.nodes.delete(path);
    this.#childChanged(path);
    this.#charge(path, -1, -data.length);
    this.#events.push(`deleted ${path}`, `childrenChanged ${parentOf(path)}`);
  }

  /** The only quota of these tests is that of /a, once its limits are there. */
  #quota(path: string): { limits: ModelNode; stats: ModelNode } | null {
    if (path !== "/a" && !path.startsWith("/a/")) return null;
    const limits = this.nodes.get("/zookeeper/quota/a/zookeeper_limits");
    const stats = this.nodes.get("/zookeeper/quota/a/zookeeper_stats");
    return limits === undefined || stats === undefined ? null : { limits, stats };
  }

  #mustFit(path: string, count: number, bytes: number): void {
    const quota = this.#quota(path);
    if (quota === null) return;
    const hardCount = numberIn(quota.limits.data, "countHardLimit");
    const hardBytes = numberIn(quota.limits.data, "byteHardLimit");
    const newCount = numberIn(quota.stats.data, "count") + count;
    const newBytes = numberIn(quota.stats.data, "bytes") + bytes;
    const isOver =
      (count !== 0 && hardCount >= 0 && newCount > hardCount) ||
      (bytes !== 0 && hardBytes >= 0 && newBytes > hardBytes);
    if (isOver) throw new No("ERR_ZNODE_QUOTA_EXCEEDED");
  }

  #charge(path: string, count: number, bytes: number): void {
    const stats = this.#quota(path)?.stats;
    if (stats === undefined) return;
    const sums = [numberIn(stats.data, "count") + count, numberIn(stats.data, "bytes") + bytes];
    const rest = ["byteHardLimit", "countHardLimit"]
      .filter((name) => new TextDecoder().decode(stats.data).includes(name))
      .map((name) => `;${name}=${numberIn(stats.data, name)}`);
    const end = rest.length === 0 ? "" : `=${rest.join("")}`;
    stats.data = text(`count=${sums[0]},bytes=${sums[1]}${end}`);
  }

  #childChanged(path: string): void {
    const parent = this.#at(parentOf(path));
    parent.pzxid = this.#txnid;
    parent.cversion += 1;
  }

  #mustBeOpen({ session }: Caller): void {
    if (session !== null && !this.sessions.has(session)) throw new No("ERR_SESSION_EXPIRED");
  }

  #wasSession(owner: bigint): boolean {
    return owner !== 0n && owner !== CONTAINER && owner >> 56n !== 0xffn;
  }

  #below(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return [...this.nodes.keys()].filter((key) => key !== "/" && key.startsWith(prefix));
  }

  #find(path: string): ModelNode {
    const node = this.nodes.get(path);
    if (node === undefined) throw new No("ERR_ZNODE_NO_NODE");
    return node;
  }

  #at(path: string): ModelNode {
    const node = this.nodes.get(path);
    if (node === undefined) throw new Error(`the model lacks ${path}`);
    return node;
  }
}

function newNode(txnid: bigint, timeMs: number): ModelNode {
  return {
    data: new Uint8Array(0),
    czxid: txnid,
    mzxid: txnid,
    pzxid: txnid,
    ctime: timeMs,
    mtime: timeMs,
    version: 0,
    cversion: 0,
    aversion: 0,
    creates: 0,
    owner: 0n,
    acl: OPEN,
  };
}

function mustMatch(expected: number, actual: number): void {
  if (expected !== -1 && expected !== actual) throw new No("ERR_ZNODE_BAD_VERSION");
}

export function allows(node: ModelNode, perms: number, { identities }: Caller): boolean {
  if (identities.some(({ scheme }) => scheme === "super")) return true;
  return node.acl.some(
    (entry) =>
      (entry.perms & perms) !== 0 &&
      (entry.scheme === "world" || identities.some((identity) => isMeant(identity, entry))),
  );
}

/** The only range of these tests is 10.0.0.0/8. */
function isMeant({ scheme, id }: AuthIdentity, entry: AclEntry): boolean {
  if (scheme !== entry.scheme) return false;
  return scheme === "ip" ? id.startsWith("10.") : id === entry.id;
}

function mustAllow(node: ModelNode, perms: number, caller: Caller): void {
  if (!allows(node, perms, caller)) throw new No("ERR_ZNODE_NO_AUTH");
}

function resolve(
  acl: readonly AclEntry[],
  identities: readonly AuthIdentity[],
): readonly AclEntry[] {
  const entries = acl.flatMap((entry) => {
    if (entry.scheme !== "auth") return [entry];
    const proved = identities.filter(({ scheme }) => scheme === "digest" || scheme === "x509");
    return proved.map(({ scheme, id }) => ({ perms: entry.perms, scheme, id }));
  });
  const isBad = entries.length === 0 || entries.some(({ scheme }) => scheme === "nobody");
  if (isBad) throw new No("ERR_ZNODE_INVALID_ACL");
  const texts = entries.map((entry) => JSON.stringify(entry));
  return entries.filter((_, index) => texts.indexOf(texts[index] ?? "") === index);
}

function numberIn(data: Uint8Array, name: string): number {
  const found = new RegExp(`(?:^|[,;])${name}=([0-9-]+)`).exec(new TextDecoder().decode(data));
  return found === null ? -1 : Number(found[1]);
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
