// Before tests that run the command as a process: what they run must be what the sources say.
import { bundleCommand } from "./bundle.mjs";
import { root } from "./tools.mjs";

export async function setup() {
  await bundleCommand(root);
}
