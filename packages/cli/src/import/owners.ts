import { open } from "node:fs/promises";
import { QuorateError } from "@quorate/protocol";
import { ownerKind } from "@quorate/znode";

interface Owner {
  readonly czxid: bigint;
  readonly owner: bigint;
}

/**
 * Which nodes of the source are containers or have a time to live. No client is told: in a Stat
 * their ephemeralOwner is 0 (seen on 3.8). ZooKeeper's SnapshotFormatter prints it, of a snapshot.
 */
export class Owners {
  readonly #owners = new Map<string, Owner>();

  /** From the output of SnapshotFormatter. @throws (rejects) ERR_CONFIG_FILE. */
  static async read(file: string): Promise<Owners> {
    const owners = new Owners();
    let path: string | null = null;
    let czxid = 0n;
    try {
      const handle = await open(file);
      for await (const line of handle.readLines()) {
        const [, name = "", value = ""] = /^ {2}(\w+) = (0x[0-9a-f]+)/.exec(line) ?? [];
        if (line.startsWith("/")) path = line;
        else if (name === "cZxid") czxid = BigInt(value);
        else if (name === "ephemeralOwner" && path !== null) {
          owners.#add(path, { czxid, owner: BigInt.asUintN(64, BigInt(value)) });
          path = null;
        }
      }
    } catch (cause) {
      throw new QuorateError("ERR_CONFIG_FILE", `cannot read the owners file ${file}`, { cause });
    }
    return owners;
  }

  /** Null for a node that is not in the snapshot, or another than the one that was there. */
  of(path: string, czxid: bigint): bigint | null {
    const found = this.#owners.get(path);
    return found?.czxid === czxid ? found.owner : null;
  }

  #add(path: string, owner: Owner): void {
    const kind = ownerKind(owner.owner);
    if (kind === "container" || kind === "ttl") this.#owners.set(path, owner);
  }
}
