import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import zookeeper, { type Client, type Event } from "node-zookeeper-client";
import { others, startEnsemble, until } from "./support.js";

const clients: Client[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** The client from npm, unchanged. */
async function connect(
  servers: readonly string[],
  { sessionTimeout = 10_000 } = {},
): Promise<Client> {
  const client = zookeeper.createClient(servers.join(","), { sessionTimeout, spinDelay: 100 });
  clients.push(client);
  client.connect();
  await once(client, "connected");
  return client;
}

type Done<T> = (error: unknown, value: T) => void;

/** @throws (rejects) the client's own exception. */
function called<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === null) resolve(value);
      else reject(error instanceof Error ? error : new Error("no exception of the client"));
    });
  });
}

const create = (client: Client, path: string, data = "", mode = zookeeper.CreateMode.PERSISTENT) =>
  called<string>((done) => client.create(path, Buffer.from(data), mode, done));

const dataOf = async (client: Client, path: string): Promise<string> =>
  String(await called<Buffer>((done) => client.getData(path, done)));

const isThere = async (client: Client, path: string): Promise<boolean> =>
  (await called<unknown>((done) => client.exists(path, done))) !== null;

/** Sets one watch of each kind, all on what is to change. */
async function watchAll(client: Client, path: string): Promise<string[]> {
  const seen: string[] = [];
  const note = (event: Event): void => void seen.push(`${event.getName()} ${event.getPath()}`);
  await called((done) => client.getData(path, note, done));
  await called((done) => client.getChildren(path, note, done));
  await called((done) => client.exists(`${path}/new`, note, done));
  return seen;
}

describe("node-zookeeper-client, unchanged, at three processes", () => {
  it("creates, reads, watches and runs transactions, each client at another node", async () => {
    await using started = await startEnsemble();
    const [one, two, three] = await Promise.all(
      started.ensemble.servers.map((server) => connect([server])),
    );
    if (one === undefined || two === undefined || three === undefined) throw new Error("three");
    await create(one, "/app", "first");
    await until("the node to reach the others", async () =>
      (await Promise.all([two, three].map((client) => isThere(client, "/app")))).every(Boolean),
    );
    const seen = await watchAll(two, "/app");
    await called((done) => three.setData("/app", Buffer.from("second"), 0, done));
    await create(three, "/app/new");
    await until("the watches to fire", () => seen.length === 3);
    expect(seen).toEqual([
      "NODE_DATA_CHANGED /app",
      "NODE_CREATED /app/new",
      "NODE_CHILDREN_CHANGED /app",
    ]);
    // Who was told of a change reads it.
    expect(await dataOf(two, "/app")).toBe("second");

    const results = await called<unknown[]>((done) =>
      three
        .transaction()
        .check("/app", 1)
        .create("/app/tx", Buffer.from("x"))
        .setData("/app", Buffer.from("third"))
        .remove("/app/new")
        .commit(done),
    );
    expect(results).toHaveLength(4);
    const refused = called((done) =>
      three.transaction().create("/app/half").check("/app", 77).commit(done),
    );
    await expect(refused).rejects.toMatchObject({ name: "BAD_VERSION" });
    expect(await isThere(three, "/app/half")).toBe(false);

    const sequential = zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL;
    const paths = [];
    for (const client of [one, two, three])
      paths.push(await create(client, "/app/e-", "", sequential));
    expect(paths).toEqual(["/app/e-0000000002", "/app/e-0000000003", "/app/e-0000000004"]);
  });

  it("loses its ephemerals when its session expires, and hears that it has", async () => {
    await using started = await startEnsemble({
      config: { zookeeper: { tickMs: 500, minSessionTimeoutMs: 1000 } },
    });
    const { ensemble } = started;
    const [first = 0, second = 0] = ensemble.ids;
    const one = await connect([ensemble.serverOf(first)], { sessionTimeout: 1000 });
    const two = await connect([ensemble.serverOf(second)]);
    await create(one, "/gone", "", zookeeper.CreateMode.EPHEMERAL);
    await until("the ephemeral at another node", () => isThere(two, "/gone"));
    const seen: string[] = [];
    await called((done) =>
      two.exists("/gone", (event: Event) => void seen.push(event.getName()), done),
    );
    // Its only server is dead: nobody hears of the session, and the others let it expire.
    await ensemble.kill("SIGKILL", first);
    await until("the ephemeral to go", () => seen.length === 1);
    expect(seen).toEqual(["NODE_DELETED"]);
    expect(await isThere(two, "/gone")).toBe(false);
    const expired = once(one, "expired");
    ensemble.start(first);
    await expired;
  });

  it("goes on at another server when its own is killed, with session and watches", async () => {
    await using started = await startEnsemble();
    const { ensemble } = started;
    const client = await connect(ensemble.servers);
    await create(client, "/keep", "1");
    await create(client, "/keep/mine", "", zookeeper.CreateMode.EPHEMERAL);
    const seen = await watchAll(client, "/keep");
    const session = client.getSessionId().toString("hex");
    // Whichever node it is connected to; with that, sooner or later, the leader.
    for (let deaths = 0; deaths < 3; deaths += 1) {
      const own = await serverOf(session, ensemble.servers);
      const back = once(client, "connected");
      const victim = ensemble.ids[ensemble.servers.indexOf(own)] ?? 0;
      await ensemble.kill("SIGKILL", victim);
      await back;
      await ensemble.untilReady(others(ensemble, victim));
      expect(client.getSessionId().toString("hex")).toBe(session);
      expect(await isThere(client, "/keep/mine")).toBe(true);
      ensemble.start(victim);
      await ensemble.untilReady();
    }
    expect(seen).toEqual([]);
    const other = await connect(ensemble.servers);
    await called((done) => other.setData("/keep", Buffer.from("2"), done));
    await create(other, "/keep/new");
    await until("the watches to fire", () => seen.length === 3);
    expect(await dataOf(client, "/keep")).toBe("2");
    await ensemble.untilEqual();
  });

  it("keeps connection and session when another node, the leader, dies", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const [own = 0] = others(ensemble, leader);
    const client = await connect([ensemble.serverOf(own)]);
    let disconnects = 0;
    client.on("disconnected", () => (disconnects += 1));
    await create(client, "/e", "", zookeeper.CreateMode.EPHEMERAL);
    await ensemble.kill("SIGKILL", leader);
    await ensemble.untilReady(others(ensemble, leader));
    await create(client, "/after");
    expect(await isThere(client, "/e")).toBe(true);
    expect(disconnects).toBe(0);
  });
});

/** The server that has the session's connection, as it tells. */
async function serverOf(session: string, servers: readonly string[]): Promise<string> {
  const id = BigInt.asIntN(64, BigInt(`0x${session}`)).toString();
  for (const server of servers) {
    const response = await fetch(`http://${server}/commands/connections`);
    if ((await response.text()).includes(id)) return server;
  }
  throw new Error("no server has the session");
}
