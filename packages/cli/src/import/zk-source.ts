import { setTimeout as sleep } from "node:timers/promises";
import { parseAddress } from "@quorate/node";
import { QuorateError, type Txnid } from "@quorate/protocol";
import { checkPath, type AclEntry, type Stat } from "@quorate/znode";
import {
  GetAclResponse,
  GetChildren2Response,
  GetDataResponse,
  PathRequest,
  PathResponse,
  PathWatchRequest,
  StatResponse,
  ZkOp,
} from "@quorate/zookeeper";
import { RECONNECT_MS, SOURCE_SILENCE_MS_MAX } from "./limits.js";
import { LinkLost, ZkLink, type Credential } from "./zk-link.js";

/** Where a tree is read from: ZooKeeper's connect string, taken apart. */
export interface SourceAddress {
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  /** Without a slash at its end; empty for the root. */
  readonly chroot: string;
}

/** `HOST:PORT[,HOST:PORT...][/chroot]`. @throws ERR_CONFIG_VALUE, ERR_ARG_*. */
export function parseSource(text: string): SourceAddress {
  const slash = text.indexOf("/");
  const [hosts, chroot] = slash === -1 ? [text, ""] : [text.slice(0, slash), text.slice(slash)];
  const servers = hosts.split(",").map((server) => parseAddress(server.trim(), "--zookeeper"));
  const problem = checkPath(chroot === "" ? "/" : chroot);
  if (problem !== null) throw new QuorateError(problem.code, `--zookeeper: ${problem.message}`);
  return { servers, chroot: chroot === "/" ? "" : chroot };
}

/** The reads of an import, over whichever server of the source answers. Paths are the target's. */
export class ZkSource {
  readonly #address: SourceAddress;
  readonly #credentials: readonly Credential[];
  #link: Promise<ZkLink> | null = null;
  #lastZxid = 0n;
  #next = 0;
  #isClosed = false;

  constructor(address: SourceAddress, credentials: readonly Credential[]) {
    this.#address = address;
    this.#credentials = credentials;
  }

  /** Whether the tree's own `/zookeeper` is below the paths that are read. */
  get isWhole(): boolean {
    return this.#address.chroot === "";
  }

  /** The newest zxid that any answer told. */
  get lastZxid(): Txnid {
    return this.#lastZxid as Txnid;
  }

  /** From now on reads are as new as the source was when this was asked. Gives its zxid. */
  async sync(): Promise<Txnid> {
    await this.#ask((link) =>
      link.request(ZkOp.sync, PathRequest, { path: this.pathOf("/") }, PathResponse),
    );
    return this.lastZxid;
  }

  exists(path: string): Promise<Stat> {
    const request = { path: this.pathOf(path), watch: false };
    return this.#ask((link) =>
      link.request(ZkOp.exists, PathWatchRequest, request, StatResponse).then(({ stat }) => stat),
    );
  }

  /** The data are a copy. */
  data(path: string): Promise<{ readonly data: Uint8Array; readonly stat: Stat }> {
    const request = { path: this.pathOf(path), watch: false };
    return this.#ask((link) =>
      link
        .request(ZkOp.getData, PathWatchRequest, request, GetDataResponse)
        .then(({ data, stat }) => ({ data: new Uint8Array(data ?? []), stat })),
    );
  }

  acl(path: string): Promise<{ readonly acl: readonly AclEntry[]; readonly stat: Stat }> {
    return this.#ask(async (link) => {
      const request = { path: this.pathOf(path) };
      const answer = await link.request(ZkOp.getAcl, PathRequest, request, GetAclResponse);
      const acl = (answer.acl ?? []).map(({ perms, id }) => ({
        perms,
        scheme: id.scheme ?? "",
        id: id.id ?? "",
      }));
      return { acl, stat: answer.stat };
    });
  }

  children(path: string): Promise<{ readonly children: readonly string[]; readonly stat: Stat }> {
    return this.#ask(async (link) => {
      const request = { path: this.pathOf(path), watch: false };
      const answer = await link.request(
        ZkOp.getChildren2,
        PathWatchRequest,
        request,
        GetChildren2Response,
      );
      const children = (answer.children ?? []).map((name) => name ?? "");
      return { children, stat: answer.stat };
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#link?.then(
      (link) => link.close(),
      () => undefined,
    );
  }

  /** Where a node of the target is at the source. */
  pathOf(path: string): string {
    const { chroot } = this.#address;
    if (chroot === "") return path;
    return path === "/" ? chroot : `${chroot}${path}`;
  }

  /** Reads are asked again on another connection when theirs is lost. */
  async #ask<T>(ask: (link: ZkLink) => Promise<T>): Promise<T> {
    const deadline = Date.now() + SOURCE_SILENCE_MS_MAX;
    for (;;) {
      const link = await this.#linkOrNew(deadline);
      try {
        return await ask(link);
      } catch (error) {
        if (!(error instanceof LinkLost)) throw error;
        if (this.#isClosed || Date.now() > deadline) throw unreachable(error);
      } finally {
        if (link.lastZxid > this.#lastZxid) this.#lastZxid = link.lastZxid;
      }
    }
  }

  async #linkOrNew(deadline: number): Promise<ZkLink> {
    for (;;) {
      const opening = (this.#link ??= this.#open(deadline));
      const link = await opening;
      if (link.isOpen) return link;
      if (this.#link === opening) this.#link = null;
    }
  }

  async #open(deadline: number): Promise<ZkLink> {
    const { servers } = this.#address;
    let last: Error = new LinkLost("closed");
    for (let attempt = 1; !this.#isClosed; attempt += 1) {
      const server = servers[this.#next % servers.length];
      if (server === undefined) break;
      try {
        const credentials = this.#credentials;
        return await ZkLink.open({ ...server, credentials, lastZxid: this.#lastZxid });
      } catch (error) {
        if (!(error instanceof LinkLost)) throw error;
        last = error;
      }
      this.#next += 1;
      if (attempt % servers.length !== 0) continue;
      if (Date.now() > deadline) break;
      await sleep(RECONNECT_MS);
    }
    throw unreachable(last);
  }
}

function unreachable(cause: Error): QuorateError {
  const message = `no server of the source answers: ${cause.message}`;
  return new QuorateError("ERR_CLIENT_UNREACHABLE", message, { cause });
}
