import {
  CUSTOM_OP_CODE_MIN,
  CUSTOM_REQUEST_MS_MAX,
  DEFAULT_TIMINGS,
  defaultMsgFactory,
  type CustomRequestHandler,
  type RequestMsg,
  type RequestOutcome,
  type ResponseMsg,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  runLeaderServer,
  runLeaderServerWithCustomHandler,
  runWatcherServerWithRequest,
} from "../src/index.js";
import { REPLICATED_OP, worldOf, type PlainHost } from "./plain-host.js";
import { id, testHash } from "./support.js";

const OWN_OP = CUSTOM_OP_CODE_MIN;
const NODES = [1, 2, 9] as const;

/** Answers with who asked and what, unless a test takes its place. */
class EchoHandler implements CustomRequestHandler {
  readonly seen: string[] = [];
  respond: ((response: ResponseMsg) => void) | null = null;
  answer: (fid: string, request: RequestMsg) => void = (fid, { reqId, content }) => {
    this.send(fid, reqId, new Uint8Array([Number(fid), ...content]));
  };

  attach(respond: ((response: ResponseMsg) => void) | null): void {
    this.respond = respond;
  }

  onNewRequest(fid: string, request: RequestMsg): void {
    this.seen.push(`${fid} ${request.op} ${request.key}`);
    this.answer(fid, request);
  }

  send(fid: string, reqId: bigint, content = new Uint8Array()): void {
    this.respond?.(defaultMsgFactory.createResponse(fid, reqId, "", content));
  }
}

/** Leader 1, follower 2 and watcher 9, all serving. */
async function served() {
  const world = worldOf();
  const { clock, network, kill, common, follow, watchOptions, ready } = world;
  const handler = new EchoHandler();
  const hosts = new Map<number, PlainHost>(NODES.map((node) => [node, world.host(node)]));
  const host = (node: number): PlainHost => {
    const found = hosts.get(node);
    if (found === undefined) throw new Error("no such host");
    return found;
  };
  let reset: () => void = () => undefined;
  const end = runLeaderServerWithCustomHandler(
    {
      timings: DEFAULT_TIMINGS,
      signal: kill.signal,
      onReady: () => void ready.push("leader"),
      onHandle: (handle) => void (reset = () => handle.resetConnections()),
    },
    {
      ...common(host(1)),
      listener: network.listener(id(1)),
      chainHash: testHash,
      customHandler: handler,
    },
  );
  const followed = follow(host(2));
  void runWatcherServerWithRequest(watchOptions(kill.signal), {
    ...common(host(9)),
    connector: network.connector(id(9)),
  });
  await clock.until(() => ready.length === 3);
  const ask = async (node: number, op: number, key = "/k", content = new Uint8Array([7])) => {
    let outcome: RequestOutcome | null = null;
    host(node).requests.submit(op, key, content, (done) => (outcome = done));
    await clock.until(() => outcome !== null, 2 * CUSTOM_REQUEST_MS_MAX);
    return outcome as RequestOutcome | null;
  };
  return { ...world, handler, host, ask, end, followed, reset: () => reset() };
}

describe("custom operations of a host", () => {
  test.each(NODES)("are answered by its handler to node %i, which asked", async (node) => {
    const { ask, handler, host } = await served();
    expect(await ask(node, OWN_OP)).toMatchObject({ ok: true, content: new Uint8Array([node, 7]) });
    expect(handler.seen).toEqual([`${node} ${OWN_OP} /k`]);
    // Not logged: only the founding record and, perhaps, admissions are.
    for (const each of NODES) expect(host(each).applied).toEqual([]);
  });

  test.each(NODES)("that it replicates go through the log, asked at node %i", async (node) => {
    const { ask, handler, host, clock } = await served();
    expect(await ask(node, REPLICATED_OP, "/replicated")).toMatchObject({ ok: true });
    await clock.until(() => NODES.every((each) => host(each).applied.length === 1));
    for (const each of NODES) expect(host(each).applied).toEqual(["/replicated"]);
    expect(handler.seen).toEqual([]);
  });

  test.each(NODES)(
    "a refusal reaches node %i, which asked, and nothing is logged",
    async (node) => {
      const { ask, host } = await served();
      const refused = { ok: false, error: { code: "ERR_ZNODE_NO_NODE" } };
      expect(await ask(node, REPLICATED_OP, "/refused")).toMatchObject(refused);
      for (const each of NODES) expect(host(each).applied).toEqual([]);
    },
  );

  test.each(NODES)("a handler that throws has answered node %i with its error", async (node) => {
    const { ask, handler, end } = await served();
    handler.answer = () => {
      throw new Error("not today");
    };
    expect(await ask(node, OWN_OP)).toMatchObject({
      ok: false,
      error: { code: "ERR_SERVER_CUSTOM_FAILED", message: "not today" },
    });
    handler.answer = (fid, { reqId }) => handler.send(fid, reqId);
    expect(await ask(node, OWN_OP)).toMatchObject({ ok: true });
    // Neither the leader nor the node that asked has suffered.
    expect(await Promise.race([end, Promise.resolve("leads")])).toBe("leads");
  });

  test.each(NODES)(
    "a handler that never answers leaves node %i in doubt, in time",
    async (node) => {
      const { ask, handler, clock } = await served();
      handler.answer = () => undefined;
      const from = clock.now();
      expect(await ask(node, OWN_OP)).toMatchObject({
        ok: false,
        error: { code: "ERR_CLIENT_OUTCOME_UNKNOWN" },
      });
      expect(clock.now() - from).toBeLessThan(CUSTOM_REQUEST_MS_MAX * 1.1);
    },
  );

  test("answers to strangers, to nobody and for a second time change nothing", async () => {
    const { ask, handler, host, clock, end } = await served();
    handler.answer = (fid, { reqId }) => {
      for (const to of ["77", "2", "9", "no node", ""]) if (to !== fid) handler.send(to, reqId);
      handler.send(fid, reqId + 1n);
      handler.send(fid, reqId, new Uint8Array([1]));
      handler.send(fid, reqId, new Uint8Array([2]));
    };
    const one = new Uint8Array([1]);
    for (const node of NODES) {
      expect(await ask(node, OWN_OP)).toMatchObject({ ok: true, content: one });
    }
    // A write whose number the handler guesses is not completed by it.
    let outcome: RequestOutcome | null = null;
    const two = host(2);
    const add = two.requests.addPendingRequest.bind(two.requests);
    const request = { ...defaultMsgFactory.createRequest(5n, 1, "/w", new Uint8Array()) };
    add({ request, complete: (done) => (outcome = done) });
    handler.send("2", 5n, new Uint8Array([9]));
    await clock.until(() => outcome !== null);
    expect(outcome).toMatchObject({ ok: true, content: new Uint8Array() });
    expect(two.applied).toEqual(["/w"]);
    expect(await Promise.race([end, Promise.resolve("leads")])).toBe("leads");
  });

  test("without a handler are refused, wherever they are asked", async () => {
    const world = worldOf();
    const { clock, network, kill, common, follow, ready } = world;
    const [one, two] = [world.host(1), world.host(2)];
    void runLeaderServer(
      { timings: DEFAULT_TIMINGS, signal: kill.signal },
      { ...common(one), listener: network.listener(id(1)), chainHash: testHash },
    );
    void follow(two);
    await clock.until(() => ready.length === 1);
    const codes: unknown[] = [];
    for (const { requests } of [one, two]) {
      requests.submit(OWN_OP, "/k", new Uint8Array(), (done) =>
        codes.push(!done.ok && done.error.code),
      );
    }
    await clock.until(() => codes.length === 2);
    expect(codes).toEqual(["ERR_SERVER_NO_CUSTOM_HANDLER", "ERR_SERVER_NO_CUSTOM_HANDLER"]);
  });

  test("end with the term: the handler is detached, and who waits is told", async () => {
    const { handler, host, kill, clock, end } = await served();
    handler.answer = () => undefined;
    const outcomes: RequestOutcome[] = [];
    for (const node of NODES) {
      host(node).requests.submit(OWN_OP, "/k", new Uint8Array(), (done) => outcomes.push(done));
    }
    await clock.until(() => handler.seen.length === NODES.length);
    kill.abort();
    let hasEnded = false;
    void end.then(() => (hasEnded = true));
    await clock.until(() => hasEnded && outcomes.length === NODES.length);
    expect(handler.respond).toBeNull();
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ ok: false, error: { code: "ERR_CLIENT_OUTCOME_UNKNOWN" } });
    }
  });

  test("the handle resets connections: the follower is told to come back, the term goes on", async () => {
    const { reset, followed, follow, host, clock, ready, ask, end } = await served();
    reset();
    let ended: unknown = null;
    void followed.then((reason) => (ended = reason));
    await clock.until(() => ended !== null);
    expect(ended).toEqual({ kind: "reset" });
    void follow(host(2));
    await clock.until(() => ready.length === 4);
    expect(await ask(2, OWN_OP)).toMatchObject({ ok: true });
    expect(await Promise.race([end, Promise.resolve("leads")])).toBe("leads");
  });
});
