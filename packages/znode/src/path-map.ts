import { QuorateError } from "@quorate/protocol";
import { checkPath, ROOT } from "./paths.js";

/** Between a program's paths and those of the server. */
export interface PathMap {
  toServer(path: string): string;
  toProgram(path: string): string;
}

export const SAME_PATHS: PathMap = { toServer: (path) => path, toProgram: (path) => path };

/**
 * A program that sees the tree below `root` as if it were all there is (ZooKeeper's chroot).
 * @throws ERR_ARG_PATH, ERR_ARG_TOO_LARGE.
 */
export function pathsBelow(root: string): PathMap {
  const problem = checkPath(root);
  if (problem !== null) throw new QuorateError(problem.code, problem.message);
  if (root === ROOT) return SAME_PATHS;
  return {
    toServer(path) {
      if (path === ROOT) return root;
      // What is no path (the key of a broadcast, a mistake) is nobody's.
      return path.startsWith("/") ? root + path : path;
    },
    toProgram(path) {
      if (path === root) return ROOT;
      return path.startsWith(`${root}/`) ? path.slice(root.length) : path;
    },
  };
}
