import { JuteWriter, requestRecords, RequestHeader, ZkOp } from "@quorate/zookeeper";
import { Kind } from "../order.js";

/** Digits of a key before and behind the slash: a directory holds a thousand nodes. */
const DIRECTORY_DIGITS = 5;
const NODE_DIGITS = 3;
const KEY_CHARS = DIRECTORY_DIGITS + 1 + NODE_DIGITS;
export const KEYS_PER_DIRECTORY = 10 ** NODE_DIGITS;
const XID_AT = 4;
const ZERO = 48;
const SLASH = 47;

const openAcl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
const ANY_VERSION = -1;

export function directoryPath(root: string, directory: number): string {
  return `${root}/${String(directory).padStart(DIRECTORY_DIGITS, "0")}`;
}

/** The node of a number in [0, KEYS_MAX). */
export function keyPath(root: string, key: number): string {
  const node = String(key % KEYS_PER_DIRECTORY).padStart(NODE_DIGITS, "0");
  return `${directoryPath(root, Math.floor(key / KEYS_PER_DIRECTORY))}/${node}`;
}

/** The node that a load creates under a number, and deletes again. */
export function freshPath(root: string, key: number): string {
  return `${root}/fresh/${String(key).padStart(DIRECTORY_DIGITS + NODE_DIGITS, "0")}`;
}

/** A request with its length before it. */
export function frameOf(xid: number, type: number, value: unknown): Buffer {
  const writer = new JuteWriter();
  const at = writer.beginFrame();
  RequestHeader.write(writer, { xid, type });
  requestRecords.get(type)?.write(writer, value);
  writer.endFrame(at);
  return Buffer.from(writer.bytes());
}

export function createFrame(xid: number, path: string, data: Uint8Array): Buffer {
  return frameOf(xid, ZkOp.create, { path, data, acl: openAcl, flags: 0 });
}

/**
 * A request that is made once and filled in for each use: its number, and its key, whose digits are
 * always as many. To encode each from its record would cost more than all else that the load does.
 */
export class Template {
  readonly bytes: Buffer;
  readonly #keyAt: number;
  readonly #hasSlash: boolean;

  constructor(frame: Buffer, path: string, hasSlash: boolean) {
    this.bytes = frame;
    const chars = hasSlash ? KEY_CHARS : KEY_CHARS - 1;
    this.#keyAt = frame.indexOf(path) + path.length - chars;
    this.#hasSlash = hasSlash;
  }

  /** Copies it to `at`, where there is room for it. */
  copyTo(target: Buffer, at: number, xid: number, key: number): void {
    target.set(this.bytes, at);
    target.writeInt32BE(xid, at + XID_AT);
    const keyAt = at + this.#keyAt;
    let rest = key;
    for (let i = KEY_CHARS - 1 - (this.#hasSlash ? 0 : 1); i >= 0; i -= 1) {
      if (this.#hasSlash && i === DIRECTORY_DIGITS) {
        target[keyAt + i] = SLASH;
        continue;
      }
      target[keyAt + i] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

/** By kind. */
export function templatesOf(root: string, data: Uint8Array): readonly Template[] {
  const path = keyPath(root, 0);
  const fresh = freshPath(root, 0);
  const templates: Record<Kind, Template> = {
    [Kind.set]: new Template(
      frameOf(0, ZkOp.setData, { path, data, version: ANY_VERSION }),
      path,
      true,
    ),
    [Kind.get]: new Template(frameOf(0, ZkOp.getData, { path, watch: false }), path, true),
    [Kind.create]: new Template(createFrame(0, fresh, data), fresh, false),
    [Kind.remove]: new Template(
      frameOf(0, ZkOp.delete, { path: fresh, version: ANY_VERSION }),
      fresh,
      false,
    ),
  };
  return [templates[0], templates[1], templates[2], templates[3]];
}
