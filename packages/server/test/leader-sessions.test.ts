import {
  DEFAULT_TIMINGS,
  encodeCaller,
  makeTxnid,
  OpCode,
  silentMeter,
  toNodeId,
  type QuorateError,
  type RequestMsg,
  type Txnid,
} from "@quorate/protocol";
import { encodeCloseSession, ZnodeMachine } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { LeaderSessions } from "../src/sessions/leader-sessions.js";
import { TouchBuffer } from "../src/sessions/touch-buffer.js";
import { openContent, PASSWORD, resumeContent } from "./service-support.js";
import { VirtualClock } from "./support.js";

const ID = (9n << 56n) | 77n;
const NODE = toNodeId(9);

/** The sessions of a leader that has one, of node 9; proofs of leading come when asked for. */
function sessionsOf() {
  const clock = new VirtualClock();
  const machine = new ZnodeMachine();
  let counter = 0;
  const apply = (op: number, content: Uint8Array, origin = NODE): void => {
    counter += 1;
    const txnid = makeTxnid(1, counter);
    const prepared = machine.prepare(op, "", content, { txnid, wallTimeMs: 1, origin });
    if (!prepared.ok) throw new Error(prepared.code);
    machine.apply({ txnid, fid: "9", reqId: 1n, ...prepared });
  };
  apply(OpCode.createSession, openContent(ID, 4000));
  const state = {
    sessions: machine.sessions,
    touches: new TouchBuffer(clock, { doubtMs: 2000 }),
    listen: () => () => undefined,
    expiredNodes: () => [],
  };
  const sessions = new LeaderSessions(DEFAULT_TIMINGS, { state, clock, meter: silentMeter });
  const said: string[] = [];
  const proofs: ((mark: Txnid | QuorateError) => void)[] = [];
  sessions.start({
    answers: {
      answer: (fid: string, reqId: bigint) => said.push(`answer ${fid}/${reqId}`),
      refuse: (fid: string, reqId: bigint, { code }: QuorateError) =>
        said.push(`refuse ${fid}/${reqId} ${code}`),
    } as never,
    hearTouches: () => undefined,
    propose: (fid, { reqId }) => said.push(`propose ${fid}/${reqId}`),
    proposeOwn: () => true,
    readIndex: (done) => proofs.push(done),
  });
  const prove = (): void => {
    for (const done of proofs.splice(0)) done(makeTxnid(1, counter));
  };
  return { machine, sessions, said, apply, prove };
}

function asked(reqId: bigint, op: number, content: Uint8Array): RequestMsg {
  return { kind: "request", reqId, op, key: "", content };
}

const resume = (reqId: bigint, password = PASSWORD, timeoutMs = 0): RequestMsg =>
  asked(reqId, OpCode.resumeSession, resumeContent(ID, password, timeoutMs));
const write = (reqId: bigint): RequestMsg =>
  asked(reqId, OpCode.set, encodeCaller({ session: ID, identities: [] }));

describe("a client that comes anew", () => {
  test("to the node where its session is goes on without a transaction, by a proof of leading", () => {
    const { sessions, said, prove } = sessionsOf();
    sessions.resume("9", resume(5n));
    expect(said).toEqual([]);
    prove();
    expect(said).toEqual(["answer 9/5"]);
  });

  test("to another node, or with what the state has to refuse, is proposed", () => {
    const { sessions, said } = sessionsOf();
    sessions.resume("8", resume(5n));
    sessions.resume("9", resume(6n, new Uint8Array(16)));
    expect(said).toEqual(["propose 8/5", "propose 9/6"]);
  });

  test("with another timeout is proposed, also while one is on its way", () => {
    const { sessions, said, apply, prove } = sessionsOf();
    sessions.resume("9", resume(5n, PASSWORD, 4000));
    sessions.resume("9", resume(6n, PASSWORD, 5000));
    expect(said).toEqual(["propose 9/6"]);
    apply(OpCode.resumeSession, resumeContent(ID, PASSWORD, 5000));
    prove();
    // The older one must not take its timeout from the newer one.
    expect(said).toEqual(["propose 9/6", "refuse 9/5 ERR_SESSION_MOVED"]);
  });

  test("while its session moves away is proposed, behind that", () => {
    const { machine, sessions, said, apply, prove } = sessionsOf();
    sessions.resume("9", resume(5n));
    apply(OpCode.resumeSession, resumeContent(ID, PASSWORD), toNodeId(8));
    prove();
    expect(said).toEqual(["propose 9/5"]);
    // The same before it is applied.
    apply(OpCode.resumeSession, resumeContent(ID, PASSWORD));
    const context = { txnid: makeTxnid(1, 4), wallTimeMs: 1, origin: toNodeId(8) };
    machine.prepare(OpCode.resumeSession, "", resumeContent(ID, PASSWORD), context);
    sessions.resume("9", resume(6n));
    expect(said.at(-1)).toBe("propose 9/6");
  });

  test("leaves behind its earlier coming, which would take the session back", () => {
    const { sessions, said, apply, prove } = sessionsOf();
    sessions.resume("9", resume(5n));
    sessions.resume("8", resume(1n));
    apply(OpCode.resumeSession, resumeContent(ID, PASSWORD), toNodeId(8));
    prove();
    expect(said).toEqual(["propose 8/1", "refuse 9/5 ERR_SESSION_MOVED"]);
  });

  test("Invariant 8: leaves behind what its node asked for before, by whatever way that comes", () => {
    const { sessions } = sessionsOf();
    const judged = (fid: string, request: RequestMsg): string =>
      sessions.judge(fid, request)?.code ?? "ok";
    expect(judged("9", write(4n))).toBe("ok");
    sessions.resume("9", resume(5n));
    expect(judged("9", write(4n))).toBe("ERR_SESSION_MOVED");
    expect(judged("9", asked(3n, OpCode.closeSession, encodeCloseSession(ID)))).toBe(
      "ERR_SESSION_MOVED",
    );
    expect(judged("9", write(6n))).toBe("ok");
    // Of an earlier life of the node, over a watcher that stood still.
    expect(judged("9", write(2n ** 50n))).toBe("ERR_SESSION_MOVED");
    // A wrong password changes nothing.
    sessions.resume("9", resume(10n, new Uint8Array(16)));
    expect(judged("9", write(6n))).toBe("ok");
  });
});
