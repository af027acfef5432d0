import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OPEN_ACL, type AclEntry, type Stat } from "@quorate/znode";
import {
  Create2Response,
  CreateRequest,
  CreateTtlRequest,
  PathVersionRequest,
  SetDataRequest,
  StatResponse,
  ZkOp,
  type Field,
} from "@quorate/zookeeper";
import { ZkLink, type Credential } from "../../src/import/zk-link.js";

/** Debian's package `zookeeper`. */
const JARS = ["zookeeper.jar", "slf4j-log4j12.jar", "log4j-1.2.jar"].map(
  (name) => `/usr/share/java/${name}`,
);
const STARTING_MS_MAX = 60_000;

/** Why no ZooKeeper can be started here; null when one can. */
export const whyNoZookeeper = existsSync(JARS[0] ?? "") ? null : "Debian's zookeeper is missing";

const nothing: Field<null> = { read: () => null, write: () => undefined };

/** A ZooKeeper of one server, as Debian has it. */
export class Zookeeper implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #directory: string;

  private constructor(port: number, process: ChildProcess, directory: string) {
    this.port = port;
    this.#process = process;
    this.#directory = directory;
  }

  static async start(port: number): Promise<Zookeeper> {
    const directory = mkdtempSync(join(tmpdir(), "quorate-zookeeper-"));
    mkdirSync(join(directory, "data"));
    const config = [
      "tickTime=2000",
      `dataDir=${directory}/data`,
      `clientPort=${port}`,
      "clientPortAddress=127.0.0.1",
      "admin.enableServer=false",
    ];
    writeFileSync(join(directory, "zoo.cfg"), `${config.join("\n")}\n`);
    writeFileSync(join(directory, "log4j.properties"), "log4j.rootLogger=OFF\n");
    const started = spawn(
      "java",
      [
        "-Xmx512m",
        "-Dzookeeper.extendedTypesEnabled=true",
        `-Dlog4j.configuration=file:${directory}/log4j.properties`,
        ...["-cp", JARS.join(":"), "org.apache.zookeeper.server.quorum.QuorumPeerMain"],
        join(directory, "zoo.cfg"),
      ],
      { stdio: "ignore" },
    );
    const zookeeper = new Zookeeper(port, started, directory);
    const deadline = Date.now() + STARTING_MS_MAX;
    for (;;) {
      try {
        (await zookeeper.link()).close();
        return zookeeper;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await sleep(100);
    }
  }

  link(credentials: readonly Credential[] = []): Promise<ZkLink> {
    return ZkLink.open({ host: "127.0.0.1", port: this.port, credentials, lastZxid: 0n });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    rmSync(this.#directory, { recursive: true });
  }
}

interface Created {
  readonly path: string;
  readonly stat: Stat;
}

/** Writes, through a link that the tool itself only reads with. */
export async function create(
  link: ZkLink,
  path: string,
  {
    data = "",
    flags = 0,
    ttl = 0,
    acl = OPEN_ACL,
  }: {
    readonly data?: string;
    readonly flags?: number;
    readonly ttl?: number;
    readonly acl?: readonly AclEntry[];
  } = {},
): Promise<Created> {
  const entries = acl.map(({ perms, scheme, id }) => ({ perms, id: { scheme, id } }));
  const request = { path, data: Buffer.from(data), acl: entries, flags };
  const answer =
    ttl > 0
      ? await link.request(
          ZkOp.createTtl,
          CreateTtlRequest,
          { ...request, ttl: BigInt(ttl) },
          Create2Response,
        )
      : await link.request(
          flags === 4 ? ZkOp.createContainer : ZkOp.create2,
          CreateRequest,
          request,
          Create2Response,
        );
  return { path: answer.path ?? "", stat: answer.stat };
}

export async function set(link: ZkLink, path: string, data: string): Promise<Stat> {
  const request = { path, data: Buffer.from(data), version: -1 };
  return (await link.request(ZkOp.setData, SetDataRequest, request, StatResponse)).stat;
}

export async function remove(link: ZkLink, path: string): Promise<void> {
  await link.request(ZkOp.delete, PathVersionRequest, { path, version: -1 }, nothing);
}
