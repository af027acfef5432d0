import type { Mutant } from "./mutant.js";

const TRACKER = "packages/server/src/sessions/session-tracker.ts";
const KEEPER = "packages/server/src/sessions/leader-sessions.ts";
const CONNECTION = "packages/zookeeper/src/connection/zk-connection.ts";

/** The deadline alone decides, whoever was heard of meanwhile. */
const WITHOUT_ROUND = `effects.push(...this.step({ kind: "roundCompleted" }));`;

/** What the service to sessions may get wrong. */
export const serviceMutants: readonly Mutant[] = [
  {
    name: "watch behind state",
    edits: [
      {
        file: "packages/zookeeper/src/front-end.ts",
        find: "connection.notify(frame);",
        replace:
          "const late = frame;\n      this.#deps.clock.defer(() => connection.notify(late));",
      },
    ],
  },
  {
    name: "one-shot watch fires again",
    edits: [
      {
        file: "packages/znode/src/watches/watch-table.ts",
        find: "store.removeModes(at, WatchMode.once);",
        replace: "",
      },
    ],
  },
  {
    name: "missed event not told",
    edits: [
      {
        file: "packages/znode/src/watches/missed-change.ts",
        find: "<= seen) return null;",
        replace: ">= 0n) return null;",
      },
    ],
  },
  {
    name: "read before own write",
    edits: [
      {
        file: "packages/zookeeper/src/connection/pipeline.ts",
        find: "if (canServe && this.#isIdle && isRead(op)) {",
        replace: "if (canServe && isRead(op)) {",
      },
    ],
  },
  {
    name: "refusal out of its place",
    edits: [
      {
        file: "packages/server/src/replica.ts",
        find: "within?.releaseBefore(entry.txnid);",
        replace: "",
      },
    ],
  },
  {
    name: "ephemeral outlives session",
    edits: [
      {
        file: "packages/znode/src/prepare-session.ts",
        find: "const paths = judge.ephemeralsOf(id);",
        replace: "const paths = judge.ephemeralsOf(id).slice(1);",
      },
    ],
  },
  {
    // F50
    name: "close forgets an ephemeral of the same batch",
    edits: [
      {
        file: "packages/znode/src/judge.ts",
        find: "if (pending !== undefined) paths.push(...pending);",
        replace: "if (pending?.size === 0) paths.push(...pending);",
      },
    ],
  },
  {
    name: "expiry without a round",
    edits: [
      { file: TRACKER, find: `effects.push({ kind: "beginRound" });`, replace: WITHOUT_ROUND },
    ],
  },
  {
    // F17: the time for which it stood still is counted, and nobody is asked.
    name: "expiry by a paused leader",
    edits: [
      { file: TRACKER, find: `effects.push({ kind: "beginRound" });`, replace: WITHOUT_ROUND },
      {
        file: KEEPER,
        find: "stepMsMax: heartbeatMs * CLOCK_STEP_HEARTBEATS,",
        replace: "stepMsMax: heartbeatMs * CLOCK_STEP_HEARTBEATS * 1e6,",
      },
    ],
  },
  {
    name: "expiry decided by a follower",
    edits: [
      {
        file: CONNECTION,
        find: `this.#host.meter.count("zk_slow_connections_closed");`,
        replace: `const ended = new Uint8Array(8);
    new DataView(ended.buffer).setBigUint64(0, this.session);
    this.service.submit(13, "", ended, () => undefined);`,
      },
      {
        file: KEEPER,
        find: "return content.length === ID_BYTES ? idIn(content) : null;",
        replace: "return content.length < 0 ? idIn(content) : null;",
      },
    ],
  },
  {
    name: "signs of life not told to the leader",
    edits: [
      {
        file: "packages/server/src/sessions/touch-buffer.ts",
        find: "touches?.take() ?? [[]]",
        replace: "(touches?.size === -1 ? touches.take() : undefined) ?? [[]]",
      },
    ],
  },
  {
    // F48: wherever its client is.
    name: "session's owner not looked at",
    edits: [
      {
        file: "packages/znode/src/judge.ts",
        find: "origin !== undefined && owner !== 0 && owner !== origin",
        replace: "origin !== undefined && owner > 254 && owner !== origin",
      },
    ],
  },
  {
    // F48: what waits in the leader's queue before it takes effect behind what its client is told.
    name: "move told before it is in the order",
    edits: [
      {
        file: KEEPER,
        find: `    if (!isRight || !isSettled()) {
      leader.propose(fid, request);
      return;`,
        replace: `    if (!isRight || !isSettled()) {
      leader.propose(fid, isRight ? { ...request, reqId: 0n } : request);
      if (isRight) leader.answers.answer(fid, reqId, int32(session.timeoutMs));
      return;`,
      },
    ],
  },
  {
    // F48: where a session was when a leader began, it does not know.
    name: "move forgotten with its leader",
    edits: [
      {
        file: KEEPER,
        find: "for (const { id, timeoutMs } of state.sessions.values()) {",
        replace: `for (const session of state.sessions.values()) {
      const { id, timeoutMs } = Object.assign(session, { forgotten: session.owner });`,
      },
      {
        file: "packages/znode/src/judge.ts",
        find: "const owner = this.ownerOf(session);",
        replace: `const known = this.ownerOf(session);
    const { forgotten = 0 } = (this.sessions.get(session) ?? {}) as { forgotten?: number };
    const owner = known === forgotten ? 0 : known;`,
      },
    ],
  },
  {
    name: "another timeout not told to the leader's clock",
    edits: [
      {
        file: TRACKER,
        find: "    session.timeoutMs = timeoutMs;",
        replace: "    void timeoutMs;",
      },
    ],
  },
  {
    // F48: there, elsewhere, and back.
    name: "older connection open while its client comes anew",
    edits: [
      {
        file: "packages/zookeeper/src/front-end.ts",
        find: `onSessionTaken: (id) => this.#bySession.get(id)?.drop("its client comes anew"),`,
        replace: "onSessionTaken: () => undefined,",
      },
    ],
  },
  {
    name: "multi applied by halves",
    edits: [
      {
        file: "packages/znode/src/applier.ts",
        find: "const answer = op === ZnodeOp.check ?",
        replace: `const isLeft = op === ZnodeOp.delete && answers.length > 0;
      const answer = op === ZnodeOp.check || isLeft ?`,
      },
    ],
  },
  {
    name: "refused multi leaves its first half",
    edits: [
      {
        file: "packages/znode/src/prepare-multi.ts",
        find: `if (!prepared.ok) {
      overlay.rollBack();
      return { ...prepared, at: index };
    }`,
        replace: `if (!prepared.ok) {
      if (parts.length > 0) break;
      overlay.rollBack();
      return { ...prepared, at: index };
    }`,
      },
    ],
  },
];
