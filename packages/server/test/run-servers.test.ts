import { DEFAULT_TIMINGS, QuorateError, type RequestOutcome } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { runWatcherServer, runWatcherServerWithRequest, WatcherServer } from "../src/index.js";
import { worldOf } from "./plain-host.js";
import { id, seededRandom } from "./support.js";

describe("servers over a host with blocking methods", () => {
  test("lead, follow and watch; the signal ends each", async () => {
    const { clock, network, host, kill, ready, common, lead, follow, watchOptions } = worldOf();
    const [one, two, nine] = [host(1), host(2), host(9)];
    const ends = [
      lead(one),
      follow(two),
      runWatcherServerWithRequest(watchOptions(kill.signal), {
        ...common(nine),
        connector: network.connector(id(9)),
      }),
    ];
    await clock.until(() => ready.length === 3);
    const outcomes: RequestOutcome[] = [];
    two.requests.submit(1, "/two", new Uint8Array(), (outcome) => void outcomes.push(outcome));
    nine.requests.submit(1, "/nine", new Uint8Array(), (outcome) => void outcomes.push(outcome));
    await clock.until(() => outcomes.length === 2);
    expect(outcomes).toMatchObject([{ ok: true }, { ok: true }]);
    await clock.until(() => nine.applied.length === 2);
    for (const each of [one, two, nine]) expect(each.applied.sort()).toEqual(["/nine", "/two"]);
    // A watcher promises nothing and has no epoch of its own.
    expect([nine.accepted, nine.current, two.accepted, two.current]).toEqual([0, 0, 1, 1]);
    kill.abort();
    let isOver = false;
    const all = Promise.all(ends).then((kinds) => {
      isOver = true;
      return kinds.map(({ kind }) => kind);
    });
    await clock.until(() => isOver);
    expect((await all).every((kind) => kind === "stopped" || kind === "handover")).toBe(true);
  });

  test("an aborted signal starts nothing", async () => {
    const { host, kill, lead, follow } = worldOf();
    kill.abort();
    expect(await lead(host(1))).toEqual({ kind: "stopped" });
    expect(await follow(host(2))).toEqual({ kind: "stopped" });
  });

  test("a write of the host that throws ends the role, and nothing is acknowledged", async () => {
    const { clock, host, ready, lead, follow } = worldOf();
    const [one, two] = [host(1), host(2)];
    void lead(one);
    let end: unknown = null;
    void follow(two).then((reason) => (end = reason));
    await clock.until(() => ready.length === 2);
    two.mustFail = true;
    one.requests.submit(1, "/a", new Uint8Array(), () => undefined);
    await clock.until(() => end !== null);
    expect(end).toMatchObject({ kind: "storeFailed", error: { code: "ERR_STORE_IO" } });
    expect(one.applied).toEqual([]);
  });

  test("a leader whom no quorum finds in time ends its role, and says who is missing", async () => {
    const { clock, host, lead } = worldOf();
    let end: unknown = null;
    void lead(host(1)).then((reason) => (end = reason));
    await clock.until(() => end !== null);
    expect(end).toMatchObject({ kind: "lost", error: { code: "ERR_SYNC_TIMEOUT" } });
  });

  test("a rejected authentication closes its pipe and ends in a bound", async () => {
    const { clock, network, host, common, watchOptions, lead } = worldOf();
    void lead(host(1));
    const closed: string[] = [];
    const { requests: _unused, ...deps } = common(host(9));
    let end: unknown = null;
    void runWatcherServer(watchOptions(new AbortController().signal), {
      ...deps,
      connector: network.connector(id(9)),
      authenticate: (pipe) => {
        pipe.attach({
          onMessages: () => undefined,
          onClose: ({ code }) => void closed.push(code),
        });
        return Promise.reject(new Error("no"));
      },
    }).then((reason) => (end = reason));
    await clock.until(() => end !== null);
    await clock.pass(1);
    expect(end).toMatchObject({ kind: "lost", isPeerGone: true });
    expect(new Set(closed)).toEqual(new Set(["ERR_PROTOCOL_HANDSHAKE"]));
  });

  test("a leader that refuses for good is told by its refusal's code", async () => {
    const { clock, host, common, watchOptions } = worldOf();
    const { requests: _unused, ...deps } = common(host(9));
    const refusal = new QuorateError("ERR_PROTOCOL_VERSION", "another protocol version");
    let end: unknown = null;
    void runWatcherServer(watchOptions(new AbortController().signal), {
      ...deps,
      connector: { connect: () => Promise.reject(refusal) },
    }).then((reason) => (end = reason));
    await clock.until(() => end !== null);
    expect(end).toMatchObject({
      kind: "lost",
      error: { message: expect.stringContaining("ERR_PROTOCOL_VERSION") as unknown },
    });
  });

  test("a WatcherServer finds the leader again after it was lost", async () => {
    const { clock, network, host, common, ready, lead, follow } = worldOf();
    const abort = new AbortController();
    const nine = host(9);
    const watcher = new WatcherServer(
      {
        timings: DEFAULT_TIMINGS,
        signal: abort.signal,
        findLeader: () => Promise.resolve(id(1)),
        onReady: () => void ready.push("watcher"),
      },
      { ...common(nine), random: seededRandom(9), connector: network.connector(id(9)) },
    );
    // Nobody leads yet: it tries, pauses, and tries again.
    await clock.pass(2500);
    expect(watcher.isReady).toBe(false);
    void lead(host(1));
    void follow(host(2));
    await clock.until(() => watcher.isReady);
    abort.abort();
    let end: unknown = null;
    void watcher.done.then((reason) => (end = reason));
    await clock.until(() => end !== null);
    expect(end).toEqual({ kind: "stopped" });
    expect(ready.filter((one) => one === "watcher")).toHaveLength(1);
  });
});
