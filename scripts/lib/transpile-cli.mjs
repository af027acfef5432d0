// Before tests that run the command as a process: what they run must be what the sources say.
import { root } from "./tools.mjs";
import { transpile } from "./transpile.mjs";

export async function setup() {
  await transpile(root, "cli");
}
