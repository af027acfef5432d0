// Of several of these, one works at a time; when it goes or dies the next in line does:
//
//   node worker.js 127.0.0.1:4181,127.0.0.1:4182,127.0.0.1:4183 /lock alice
//
// Each has an ephemeral, sequential node below /lock. The lowest number has the lock, and everybody
// else watches the one in front of him alone: a change wakes one, not all.
import { createClient, errorCodeOf, type ClientSession } from "@quorate/client";

const [, , servers = "127.0.0.1:4181", lock = "/lock", name = "worker"] = process.argv;
const client = createClient({ servers: servers.split(","), timeoutMs: 30_000 });
const session = await client.session({ timeoutMs: 4000 });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => void leave());

// While suspended the session may have ended, and another may work: stop. Lost, it is certain.
session.onState((state) => {
  console.log(`${name} ${state}`);
  if (state === "lost") process.exit(1);
});

await client.create(lock).catch((error: unknown) => {
  if (errorCodeOf(error) !== "ERR_ZNODE_NODE_EXISTS") throw error;
});
await untilFirst(session, await placeOf(session));
console.log(`${name} works`);
// Here it would do what only one may do at a time, for as long as the session is connected.

/** A place in the line; looked for when nobody knows whether it was made. */
async function placeOf(owner: ClientSession): Promise<string> {
  try {
    const data = new TextEncoder().encode(name);
    return (await owner.create(`${lock}/w-`, data, { mode: "ephemeralSequential" })).path;
  } catch (error) {
    if (errorCodeOf(error) !== "ERR_CLIENT_OUTCOME_UNKNOWN") throw error;
    const [known] = await owner.getEphemerals(`${lock}/w-`, { linearizable: true });
    return known ?? placeOf(owner);
  }
}

async function untilFirst(owner: ClientSession, path: string): Promise<void> {
  const own = path.slice(path.lastIndexOf("/") + 1);
  for (;;) {
    const { children } = await owner.children(lock, { linearizable: true });
    const before = children
      .filter((child) => child < own)
      .sort()
      .at(-1);
    if (before === undefined) return;
    console.log(`${name} waits`);
    // Watch first and then look: if it goes in between, the watch tells.
    const events = owner.watch(`${lock}/${before}`, { kind: "data" });
    if ((await owner.exists(`${lock}/${before}`)) !== null) await events.next();
    await events.return?.();
  }
}

async function leave(): Promise<void> {
  await session.close();
  client.close();
}
