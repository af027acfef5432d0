import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { op, OPEN_ACL, Perms, type ClientState, type NodeEvent } from "@quorate/client";
import type { QuorateError } from "@quorate/protocol";
import { bytes, codeOf, Ensemble, HangingClock, text, until } from "./support.js";

let ensemble: Ensemble;

beforeAll(async () => {
  ensemble = await Ensemble.start(3);
}, 60_000);

afterAll(async () => {
  await ensemble[Symbol.asyncDispose]();
});

async function nextOf<T>(events: AsyncIterator<T, undefined>): Promise<T | undefined> {
  const result = await events.next();
  return result.done === true ? undefined : result.value;
}

describe("a session over the native port", () => {
  it("owns ephemeral nodes for as long as it lives", async () => {
    using client = ensemble.client();
    const session = await client.session({ timeoutMs: 6000 });
    expect([session.state, session.timeoutMs]).toEqual(["connected", 6000]);
    const { path, stat } = await session.create("/live-", bytes("me"), {
      mode: "ephemeralSequential",
    });
    expect(path).toMatch(/^\/live-\d{10}$/);
    expect(stat.ephemeralOwner).toBe(session.id);
    expect(await session.getEphemerals()).toEqual([path]);
    expect(await session.getEphemerals("/other")).toEqual([]);
    await client.sync();
    expect(await client.exists(path)).not.toBeNull();
    expect(await codeOf(session.create(`${path}/x`))).toBe("ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS");
    await session.close();
    expect(session.state).toBe("closed");
    expect(await client.exists(path, { linearizable: true })).toBeNull();
    expect(await codeOf(session.get("/"))).toBe("ERR_CLIENT_CLOSED");
  });

  it("is needed for an ephemeral node", async () => {
    using client = ensemble.client();
    expect(await codeOf(client.create("/e", undefined, { mode: "ephemeral" }))).toBe(
      "ERR_ZNODE_BAD_ARGUMENTS",
    );
  });

  it("expires without a sign of life, and whoever had it hears so", async () => {
    const clock = new HangingClock();
    using client = ensemble.client({}, { ambient: { clock, random: Math.random } });
    using other = ensemble.client();
    const session = await client.session({ timeoutMs: 1 });
    // Servers do not go below this.
    expect(session.timeoutMs).toBe(4000);
    await session.create("/mortal", undefined, { mode: "ephemeral" });
    // Of the same timeout, and as idle, with a client that gives signs of life by itself.
    const quiet = await other.session({ timeoutMs: 1 });
    await quiet.create("/quiet", undefined, { mode: "ephemeral" });
    const states: ClientState[] = [];
    const told: ClientState[] = [];
    session.onState((state) => told.push(state));
    const heard = (async () => {
      for await (const state of session.states()) states.push(state);
    })();
    const watched = session.watch("/mortal");
    const gone = other.watch("/mortal", { kind: "data" });
    await Promise.all([session.sync(), other.sync()]);
    const startedAt = performance.now();
    clock.isHanging = true;
    expect(await nextOf(gone)).toMatchObject({ kind: "deleted", path: "/mortal" });
    expect(performance.now() - startedAt).toBeGreaterThan(3000);
    await heard;
    expect(await other.exists("/quiet", { linearizable: true })).not.toBeNull();
    expect(quiet.state).toBe("connected");
    await quiet.close();
    expect([states, told, session.state]).toEqual([["connected", "lost"], ["lost"], "lost"]);
    expect(await codeOf(session.get("/"))).toBe("ERR_SESSION_EXPIRED");
    expect(await nextOf(watched)).toMatchObject({ kind: "deleted" });
    expect(await codeOf(watched.next())).toBe("ERR_SESSION_EXPIRED");
    expect(await codeOf(session.watch("/mortal").next())).toBe("ERR_SESSION_EXPIRED");
  });

  it("lives through a change of the leader, with its ephemerals and watches", async () => {
    await using own = await Ensemble.start(3);
    using client = own.client();
    const session = await client.session({ timeoutMs: 10_000 });
    await session.create("/through", undefined, { mode: "ephemeral" });
    await session.create("/data", bytes("0"));
    const events: NodeEvent[] = [];
    const watching = (async () => {
      for await (const event of session.watch("/data")) events.push(event);
    })().catch(() => undefined);
    await session.sync();
    const { leader } = own;
    own.nodes.splice(own.nodes.indexOf(leader), 1);
    await leader.close();
    using other = own.client();
    await other.set("/data", bytes("1"));
    await until(() => events.some(({ kind }) => kind === "dataChanged" || kind === "rearmed"));
    expect(text((await session.get("/data")).data)).toBe("1");
    expect(session.state).toBe("connected");
    expect(await session.getEphemerals()).toEqual(["/through"]);
    await session.set("/data", bytes("2"));
    await until(() => events.at(-1)?.kind === "dataChanged");
    await session.close();
    await watching;
  }, 60_000);
});

describe("watches over the native port", () => {
  it("tell of every kind of change, each kind as it promises", async () => {
    using client = ensemble.client();
    await client.create("/w");
    const seen: Record<string, string[]> = {};
    const follow = (name: string, kind: Parameters<typeof client.watch>[1]): Promise<void> => {
      const list: string[] = (seen[name] = []);
      return (async () => {
        for await (const event of client.watch("/w", kind))
          list.push(`${event.kind} ${event.path}`);
      })();
    };
    const stop = new AbortController();
    const { signal } = stop;
    const data = follow("data", { kind: "data" });
    const children = follow("children", { kind: "children" });
    const persistent = codeOf(follow("persistent", { signal }));
    const recursive = codeOf(follow("recursive", { kind: "persistentRecursive", signal }));
    await client.create("/w/a");
    await client.set("/w", bytes("x"));
    await client.set("/w/a", bytes("y"));
    await client.delete("/w/a");
    await client.delete("/w");
    await client.create("/w");
    await Promise.all([data, children]);
    await until(() => seen["recursive"]?.length === 6 && seen["persistent"]?.length === 5);
    stop.abort();
    expect([await persistent, await recursive]).toEqual([
      "ERR_CLIENT_ABORTED",
      "ERR_CLIENT_ABORTED",
    ]);
    expect(seen).toEqual({
      data: ["dataChanged /w"],
      children: ["childrenChanged /w"],
      persistent: [
        "childrenChanged /w",
        "dataChanged /w",
        "childrenChanged /w",
        "deleted /w",
        "created /w",
      ],
      recursive: [
        "created /w/a",
        "dataChanged /w",
        "dataChanged /w/a",
        "deleted /w/a",
        "deleted /w",
        "created /w",
      ],
    });
  });

  it("of a node that is not there waits for it; of its children there are none", async () => {
    using client = ensemble.client();
    const born = client.watch("/unborn", { kind: "data" });
    expect(await codeOf(client.watch("/unborn", { kind: "children" }).next())).toBe(
      "ERR_ZNODE_NO_NODE",
    );
    await client.create("/unborn");
    expect(await nextOf(born)).toMatchObject({ kind: "created", path: "/unborn" });
    expect(await nextOf(born)).toBeUndefined();
  });

  it("begin at the call: what is written behind it on the same client is told", async () => {
    using client = ensemble.client();
    await client.create("/order", bytes("0"));
    const events = client.watch("/order", { kind: "data" });
    const read = client.get("/order");
    const write = client.set("/order", bytes("1"));
    expect(await nextOf(events)).toMatchObject({ kind: "dataChanged" });
    await Promise.all([read, write]);
  });
});

describe("the rest of the contract over the native port", () => {
  it("makes nodes of every mode", async () => {
    using client = ensemble.client();
    await client.create("/modes", undefined, { mode: "container" });
    const first = await client.create("/modes/", undefined, { mode: "persistentSequential" });
    expect(first.path).toBe("/modes/0000000000");
    const timed = await client.create("/modes/t", undefined, { mode: "ttl", ttlMs: 60_000 });
    expect(timed.stat.ephemeralOwner).toBe((0xffn << 56n) | 60_000n);
    expect(await client.countAllChildren("/modes")).toBe(2);
    expect(await codeOf(client.create("/x", undefined, { ttlMs: 5 }))).toBe("ERR_ARG_VALUE");
    expect(await codeOf(client.create("/x", undefined, { mode: "ttl" }))).toBe("ERR_ARG_VALUE");
    expect(await codeOf(client.create("/x", undefined, { mode: "no" as "ttl" }))).toBe(
      "ERR_ARG_VALUE",
    );
  });

  it("does several things at once or none, and says which one was refused", async () => {
    using client = ensemble.client();
    await client.create("/m", bytes("a"));
    const { results, txnid } = await client.multi([
      op.check("/m", 0),
      op.set("/m", bytes("b"), 0),
      op.create("/m/n-", undefined, { mode: "persistentSequential" }),
      op.delete("/m/n-0000000000"),
    ]);
    // Each result has the type of its operation.
    expect([results[1].stat.version, results[2].path]).toEqual([1, "/m/n-0000000000"]);
    expect(results.map(({ kind }) => kind)).toEqual(["check", "set", "create", "delete"]);
    expect((await client.get("/m")).stat.mzxid).toBe(txnid);
    const failed = client.multi([op.set("/m", bytes("c")), op.check("/m", 7), op.delete("/m")]);
    const error: QuorateError = await failed.then(
      () => Promise.reject(new Error("it was not refused")),
      (refusal: QuorateError) => refusal,
    );
    expect([error.code, error.details]).toEqual([
      "ERR_ZNODE_BAD_VERSION",
      { at: 1, kind: "check", path: "/m" },
    ]);
    expect(error.message).toContain("operation 1 of the multi (check /m)");
    expect(text((await client.get("/m")).data)).toBe("b");
  });

  it("guards nodes by ACLs, for those who proved who they are", async () => {
    using owner = ensemble.client();
    using stranger = ensemble.client();
    await owner.addAuth("digest", "ann:secret");
    await owner.create("/mine", bytes("s"), {
      acl: [{ perms: Perms.all, scheme: "auth", id: "" }],
    });
    expect(await codeOf(stranger.get("/mine", { linearizable: true }))).toBe("ERR_ZNODE_NO_AUTH");
    const { acl, stat } = await owner.getAcl("/mine");
    expect(acl).toEqual([
      { perms: 31, scheme: "digest", id: expect.stringMatching(/^ann:.{28}$/) },
    ]);
    expect(await codeOf(stranger.addAuth("nobody", "knows"))).toBe("ERR_SESSION_AUTH_FAILED");
    await owner.setAcl("/mine", OPEN_ACL, { version: stat.aversion });
    expect(text((await stranger.get("/mine", { linearizable: true })).data)).toBe("s");
    // A session begins with what its client has proved.
    await owner.setAcl("/mine", acl);
    const session = await owner.session();
    expect(text((await session.get("/mine")).data)).toBe("s");
    await session.close();
  });

  it("shows a program the tree below its chroot as if it were all", async () => {
    using outer = ensemble.client();
    await outer.create("/app");
    using client = ensemble.client({ chroot: "/app" });
    const events = client.watch("/a", { kind: "persistentRecursive" });
    const news = client.subscribe({ prefix: "/a" });
    const { path, txnid } = await client.create("/a", bytes("1"));
    expect(path).toBe("/a");
    expect(text((await outer.get("/app/a", { linearizable: true })).data)).toBe("1");
    expect(await nextOf(events)).toEqual({ kind: "created", path: "/a", txnid });
    expect(await nextOf(news)).toMatchObject({
      txnid,
      operations: [{ kind: "create", path: "/a" }],
    });
    const { results } = await client.multi([op.create("/a/b"), op.set("/", bytes("root"))]);
    expect(results[0].path).toBe("/a/b");
    expect(text((await outer.get("/app", { linearizable: true })).data)).toBe("root");
    expect((await client.children("/")).children).toEqual(["a"]);
    const session = await client.session();
    await session.create("/e", undefined, { mode: "ephemeral" });
    expect(await session.getEphemerals()).toEqual(["/e"]);
    await session.close();
    expect(() => ensemble.client({ chroot: "app" })).toThrow(/starts with/);
  });
});
