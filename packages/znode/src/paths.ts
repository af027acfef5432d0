import { KEY_BYTES_MAX, type ErrorCode } from "@quorate/protocol";

export const ROOT = "/";
export const CONFIG_PATH = "/zookeeper/config";
export const QUOTA_PATH = "/zookeeper/quota";
/** Nodes that every tree has and that cannot be deleted, in an order with parents first. */
export const BUILT_IN_PATHS: readonly string[] = [ROOT, "/zookeeper", QUOTA_PATH, CONFIG_PATH];

const SLASH = 0x2f;
const DOT = 0x2e;

export interface PathProblem {
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * ZooKeeper's rules for a path, by UTF-16 unit as there: characters beyond the basic plane are
 * surrogates and so refused, hence every valid path survives UTF-8. Null when the path is valid.
 */
export function checkPath(path: string): PathProblem | null {
  if (path.length > KEY_BYTES_MAX) return TOO_LONG;
  if (path.charCodeAt(0) !== SLASH) return bad("a path starts with /");
  if (path.length === 1) return null;
  let elementAt = 1;
  let bytes = 1;
  for (let i = 1; i <= path.length; i += 1) {
    const unit = i === path.length ? SLASH : path.charCodeAt(i);
    if (unit === SLASH) {
      const length = i - elementAt;
      if (length === 0) return bad("a path has no empty element and no / at its end");
      if (length <= 2 && isDots(path, elementAt, length)) return bad("a path is absolute");
      elementAt = i + 1;
    } else if (isForbidden(unit)) {
      return bad(`a path has no character U+${unit.toString(16).padStart(4, "0")}`);
    }
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
  }
  // The loop counted one separator too many, at the end.
  return bytes - 1 > KEY_BYTES_MAX ? TOO_LONG : null;
}

/** The path of the parent of a valid path other than the root. */
export function parentPathOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at === 0 ? ROOT : path.slice(0, at);
}

/** The last element of a valid path other than the root. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Bytes of a valid path in UTF-8. It has no surrogates. */
export function pathBytes(path: string): number {
  let bytes = path.length;
  for (let i = 0; i < path.length; i += 1) {
    const unit = path.charCodeAt(i);
    if (unit >= 0x80) bytes += unit < 0x800 ? 1 : 2;
  }
  return bytes;
}

const TOO_LONG: PathProblem = {
  code: "ERR_ARG_TOO_LARGE",
  message: `a path has at most ${KEY_BYTES_MAX} bytes`,
};

function bad(message: string): PathProblem {
  return { code: "ERR_ARG_PATH", message };
}

function isDots(path: string, at: number, length: number): boolean {
  return path.charCodeAt(at) === DOT && (length === 1 || path.charCodeAt(at + 1) === DOT);
}

function isForbidden(unit: number): boolean {
  if (unit < 0x7f) return unit <= 0x1f;
  if (unit <= 0x9f) return true;
  return (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
}
