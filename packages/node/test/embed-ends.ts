// Runs in a process of its own, which must end by itself when all is closed: see
// embed-hostile.test.ts.
import { join } from "node:path";
import { errorCodeOf } from "@quorate/protocol";
import { embed, embedEnsemble } from "../src/index.js";

const [directory = ""] = process.argv.slice(2);
const boom = (): never => {
  throw new Error("boom");
};

async function tell(what: string, opening: Promise<unknown>): Promise<void> {
  const error = await opening.then(
    () => "it was opened",
    (reason: unknown) => errorCodeOf(reason) ?? (reason as Error).message,
  );
  console.log(`${what}: ${error}`);
}

const aborter = new AbortController();
const node = await embed({ dataDir: join(directory, "a") }, { signal: aborter.signal });
await node.ready();
await node.client.create("/a");
const { requestAddress } = node;
aborter.abort();
await node.done;
console.log("closed");
await tell("no state", embed({ dataDir: join(directory, "b") }, { createCustomState: boom }));
await tell("no host", embed({ dataDir: join(directory, "c") }, { openHost: boom }));
const parts = (nodeId: number): object => (nodeId === 2 ? boom() : {});
await tell("no parts", embedEnsemble(3, { dataDir: join(directory, "d") }, parts));
const other = await embed({ dataDir: join(directory, "e") });
const taken = {
  electionAddr: "0",
  messageAddr: "0",
  requestAddr: String(other.requestAddress.port),
};
await tell("no port", embed({ dataDir: join(directory, "f"), host: taken }));
await other.close();
if (requestAddress.port === 0) throw new Error("no port was told");
