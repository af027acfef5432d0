import {
  BACKLOG_MS_MAX,
  BACKLOG_REQUESTS_MIN,
  CLIENT_REQUESTS_MIN,
  CONTENT_BYTES_MAX,
  CUSTOM_OP_CODE_MIN,
  KEY_BYTES_MAX,
  OpCode,
  PENDING_REQUEST_BYTES_MAX,
  PENDING_REQUESTS_MAX,
  QuorateError,
  type RequestMsg,
  type RequestOutcome,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { REQUEST_WAIT_MS, RequestManager } from "../src/request-manager.js";
import { seededRandom, VirtualClock } from "./support.js";

function managerOf() {
  const clock = new VirtualClock();
  const manager = new RequestManager({ clock, random: seededRandom(1) });
  const outcomes: RequestOutcome[] = [];
  const handed: RequestMsg[] = [];
  const submit = (key = "/a", op = 1, bytes = 0, ofClient?: number) => {
    const complete = (outcome: RequestOutcome): void => void outcomes.push(outcome);
    manager.submit(op, key, new Uint8Array(bytes), complete, ofClient);
  };
  const take = () => manager.onRequest((request) => void handed.push(request));
  return { clock, manager, outcomes, handed, submit, take };
}
const refusal = (code: string, retryable: boolean) => ({ ok: false, error: { code, retryable } });
const lost = new QuorateError("ERR_PROTOCOL_CLOSED", "lost");

describe("requests of this node's clients", () => {
  test("what was handed on has an unknown outcome and is never handed on again", () => {
    const { manager, outcomes, handed, submit, take } = managerOf();
    take();
    submit();
    manager.onRequest(null);
    manager.cleanupOnError(lost);
    expect(outcomes).toMatchObject([refusal("ERR_CLIENT_OUTCOME_UNKNOWN", false)]);
    take();
    expect(handed).toHaveLength(1);
    // A late answer finds nobody.
    const reqId = handed[0]?.reqId ?? 0n;
    manager.completeRequest(reqId, { ok: false, error: lost });
    expect(outcomes).toHaveLength(1);
  });

  test("what was not handed on waits for the next role, in order", () => {
    const { manager, outcomes, handed, submit, take } = managerOf();
    submit("/a");
    submit("/b");
    manager.cleanupOnError(lost);
    take();
    submit("/c");
    expect(handed.map(({ key }) => key)).toEqual(["/a", "/b", "/c"]);
    expect(outcomes).toEqual([]);
  });

  test("G16: waits only so long, then is refused and may be repeated", async () => {
    const { clock, outcomes, handed, submit, take } = managerOf();
    submit();
    await clock.pass(REQUEST_WAIT_MS * 1.2);
    expect(outcomes).toMatchObject([refusal("ERR_SERVER_NOT_READY", true)]);
    take();
    expect(handed).toEqual([]);
  });

  test("takes a key of every byte that a frame allows, whatever its characters", () => {
    const { manager, outcomes, submit } = managerOf();
    submit("n".repeat(KEY_BYTES_MAX));
    submit("😀".repeat(KEY_BYTES_MAX / 4));
    expect([outcomes, manager.pendingCount]).toEqual([[], 2]);
    submit("n".repeat(KEY_BYTES_MAX + 1));
    submit("€".repeat(KEY_BYTES_MAX / 3 + 1));
    expect(outcomes.map((one) => !one.ok && one.error.code)).toEqual([
      "ERR_ARG_TOO_LARGE",
      "ERR_ARG_TOO_LARGE",
    ]);
  });

  test("is bounded, and refuses what no client may ask", () => {
    const { manager, outcomes, submit } = managerOf();
    submit("/a", OpCode.admitVoter);
    submit("/a", OpCode.deleteExpired);
    submit("/a", 0);
    submit("/a", 1, CONTENT_BYTES_MAX + 1);
    expect(outcomes.map((one) => !one.ok && one.error.code)).toEqual([
      "ERR_SERVER_UNSUPPORTED",
      "ERR_SERVER_UNSUPPORTED",
      "ERR_SERVER_UNSUPPORTED",
      "ERR_ARG_TOO_LARGE",
    ]);
    for (let i = 0; i < PENDING_REQUESTS_MAX; i += 1) submit();
    expect(outcomes).toHaveLength(4);
    submit();
    expect(outcomes[4]).toMatchObject(refusal("ERR_SERVER_BUSY", true));
    expect(manager.pendingCount).toBe(PENDING_REQUESTS_MAX);
  });

  test("is bounded in bytes as well, which are free again with an outcome", () => {
    const { manager, outcomes, handed, submit, take } = managerOf();
    take();
    const key = "/big";
    const each = CONTENT_BYTES_MAX + 32;
    const count = Math.floor(PENDING_REQUEST_BYTES_MAX / each);
    for (let i = 0; i < count; i += 1) submit("", OpCode.add, CONTENT_BYTES_MAX);
    submit(key, OpCode.add, CONTENT_BYTES_MAX);
    expect(outcomes).toMatchObject([refusal("ERR_SERVER_BUSY", true)]);
    // To the last byte; who keeps a session is let in all the same.
    submit("", OpCode.add, PENDING_REQUEST_BYTES_MAX - count * each - 32);
    submit("", OpCode.resumeSession, 28);
    expect(outcomes).toHaveLength(1);
    manager.completeRequest(handed[0]?.reqId ?? 0n, { ok: false, error: lost });
    manager.completeRequest(handed[1]?.reqId ?? 0n, { ok: false, error: lost });
    submit(key, OpCode.add, CONTENT_BYTES_MAX);
    expect(outcomes).toHaveLength(3);
    expect(manager.pendingCount).toBe(count + 1);
  });

  test("joins a backlog that stands where few of its client wait, and none beyond", async () => {
    const { clock, manager, outcomes, submit, take } = managerOf();
    take();
    for (let i = 0; i <= BACKLOG_REQUESTS_MIN; i += 1) submit();
    await clock.pass(BACKLOG_MS_MAX);
    const before = manager.pendingCount;
    for (let i = 1; i <= CLIENT_REQUESTS_MIN; i += 1) submit("/a", OpCode.add, 1, i);
    expect(outcomes).toEqual([]);
    submit("/a", OpCode.add, 1, CLIENT_REQUESTS_MIN + 1);
    submit("/a", OpCode.add, 1);
    expect(outcomes).toMatchObject([
      refusal("ERR_SERVER_BUSY", true),
      refusal("ERR_SERVER_BUSY", true),
    ]);
    expect(manager.pendingCount).toBe(before + CLIENT_REQUESTS_MIN);
  });

  test("others have their room beside clients with few", async () => {
    const { clock, outcomes, submit, take } = managerOf();
    take();
    for (let i = 0; i < 3 * BACKLOG_REQUESTS_MIN; i += 1) submit("/a", OpCode.add, 1, 1);
    await clock.pass(BACKLOG_MS_MAX);
    for (let i = 0; i < BACKLOG_REQUESTS_MIN; i += 1) submit();
    await clock.pass(BACKLOG_MS_MAX);
    expect(outcomes).toEqual([]);
    submit();
    await clock.pass(BACKLOG_MS_MAX);
    submit();
    expect(outcomes).toMatchObject([refusal("ERR_SERVER_BUSY", true)]);
  });

  test("does not join a backlog that stands, unless it keeps a session", async () => {
    const { clock, manager, outcomes, handed, submit, take } = managerOf();
    take();
    for (let i = 0; i <= BACKLOG_REQUESTS_MIN; i += 1) submit();
    await clock.pass(BACKLOG_MS_MAX);
    submit();
    expect(outcomes).toMatchObject([refusal("ERR_SERVER_BUSY", true)]);
    submit("", OpCode.createSession);
    submit("", OpCode.closeSession);
    expect(outcomes).toHaveLength(1);
    expect(manager.pendingCount).toBe(BACKLOG_REQUESTS_MIN + 3);
    const half = BACKLOG_REQUESTS_MIN / 2 + 4;
    for (const { reqId } of handed.slice(0, half)) {
      manager.completeRequest(reqId, { ok: false, error: lost });
    }
    submit();
    expect(manager.pendingCount).toBe(BACKLOG_REQUESTS_MIN + 4 - half);
  });

  test("a lost leader's requests, answered by nobody, are no room for a backlog", async () => {
    const { clock, manager, outcomes, submit, take } = managerOf();
    take();
    for (let i = 0; i < 4 * BACKLOG_REQUESTS_MIN; i += 1) submit();
    manager.cleanupOnError(lost);
    outcomes.length = 0;
    for (let i = 0; i < 2 * BACKLOG_REQUESTS_MIN; i += 1) submit();
    await clock.pass(BACKLOG_MS_MAX);
    submit();
    expect(outcomes).toMatchObject([refusal("ERR_SERVER_BUSY", true)]);
    expect(manager.pendingCount).toBe(2 * BACKLOG_REQUESTS_MIN);
  });

  test("what waited for a leader in vain is no room for a backlog", async () => {
    const { clock, manager, outcomes, submit } = managerOf();
    for (let i = 0; i < 4 * BACKLOG_REQUESTS_MIN; i += 1) submit();
    await clock.pass(REQUEST_WAIT_MS * 1.2);
    expect(manager.pendingCount).toBe(0);
    outcomes.length = 0;
    for (let i = 0; i < 2 * BACKLOG_REQUESTS_MIN; i += 1) submit();
    await clock.pass(BACKLOG_MS_MAX);
    submit();
    expect(outcomes).toMatchObject([refusal("ERR_SERVER_BUSY", true)]);
  });

  test("what waits for the host's handler is no backlog of writes", async () => {
    const { clock, manager, outcomes, submit, take } = managerOf();
    take();
    for (let i = 0; i < 2 * BACKLOG_REQUESTS_MIN; i += 1) submit("", CUSTOM_OP_CODE_MIN);
    await clock.pass(2 * BACKLOG_MS_MAX);
    submit();
    submit("", CUSTOM_OP_CODE_MIN);
    expect(outcomes).toEqual([]);
    expect(manager.pendingCount).toBe(2 * BACKLOG_REQUESTS_MIN + 2);
  });

  test("an outcome never comes from within its own submit, nor lets another one pass", async () => {
    const { clock, manager, outcomes } = managerOf();
    const told: string[] = [];
    const ask = (key: string, then?: () => void): void =>
      manager.submit(OpCode.add, key, new Uint8Array(), () => {
        told.push(key);
        then?.();
      });
    const handed: string[] = [];
    const refuseAll = (): void =>
      manager.onRequest(({ reqId, key }) => {
        handed.push(key);
        manager.completeRequest(reqId, { ok: false, error: lost });
      });
    // Who asks again when refused must not come before those who wait.
    ask("/a", () => ask("/c"));
    ask("/b");
    refuseAll();
    expect([told, outcomes]).toEqual([[], []]);
    await clock.pass(1);
    expect(handed).toEqual(["/a", "/b", "/c"]);
    expect(told).toEqual(["/a", "/b", "/c"]);
  });

  test("the end of the node answers everything once", () => {
    const { manager, outcomes, submit, take } = managerOf();
    take();
    submit();
    manager.onRequest(null);
    submit();
    manager.close(new QuorateError("ERR_SERVER_CLOSED", "closed"));
    expect(outcomes.map((one) => !one.ok && one.error.code)).toEqual([
      "ERR_CLIENT_OUTCOME_UNKNOWN",
      "ERR_SERVER_CLOSED",
    ]);
    expect(manager.pendingCount).toBe(0);
  });
});
