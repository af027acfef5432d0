import {
  encodeCaller,
  OpCode,
  type RequestOutcome,
  type Service,
  type Txnid,
} from "@quorate/protocol";
import {
  CreateMode,
  decodeCount,
  encodeCloseSession,
  encodeCreate,
  encodeCreateSession,
  encodeDelete,
  encodeRead,
  withCaller,
} from "@quorate/znode";
import { Ensemble, type EnsembleOptions } from "./support.js";

export const PASSWORD = new Uint8Array(16).fill(7);

/** What became of it: "ok", or the refusal's code. */
export type Told = string;

const callerOf = (session: bigint | null): Uint8Array => encodeCaller({ session, identities: [] });
const READ = withCaller(callerOf(null), encodeRead());

export function createContent(
  session: bigint | null,
  mode: CreateMode = CreateMode.persistent,
  ttlMs = 0,
): Uint8Array {
  const request = encodeCreate({ data: new Uint8Array(), mode, ttlMs });
  return withCaller(callerOf(session), request);
}

export function readContent(): Uint8Array {
  return READ;
}

export function deleteContent(): Uint8Array {
  return withCaller(callerOf(null), encodeDelete());
}

export function openContent(id: bigint, timeoutMs: number): Uint8Array {
  return encodeCreateSession({ id, timeoutMs, password: PASSWORD });
}

/** As `encodeResumeSession`, with a password of any length. */
export function resumeContent(id: bigint, password: Uint8Array, timeoutMs = 0): Uint8Array {
  const timeout = new Uint8Array(4);
  new DataView(timeout.buffer).setInt32(0, timeoutMs);
  return Uint8Array.from([...encodeCloseSession(id), ...timeout, ...password]);
}

/** Nodes over the tree, with clients that ask as front ends do. */
export class ServiceEnsemble extends Ensemble {
  static async of(size: number, options: EnsembleOptions = {}): Promise<ServiceEnsemble> {
    const ensemble = new ServiceEnsemble(size, options);
    await ensemble.start(...ensemble.voters);
    await ensemble.clock.until(() => ensemble.allReady());
    return ensemble;
  }

  service(of: number): Service {
    return this.server(of).service;
  }

  get leaderId(): number {
    const { leader } = this;
    if (leader === undefined) throw new Error("nobody leads");
    return leader.status().id;
  }

  /** One that follows. */
  get followerId(): number {
    const follower = [...this.servers.values()].find(
      (one) => one.status().role === "following" && one.status().ready,
    );
    if (follower === undefined) throw new Error("nobody follows");
    return follower.status().id;
  }

  async outcome(at: number, op: number, key: string, content: Uint8Array): Promise<RequestOutcome> {
    let outcome: RequestOutcome | null = null;
    this.service(at).submit(op, key, content, (one) => (outcome = one));
    await this.clock.until(() => outcome !== null);
    if (outcome === null) throw new Error("no outcome");
    return outcome;
  }

  async #told(at: number, op: number, key: string, content: Uint8Array): Promise<Told> {
    const outcome = await this.outcome(at, op, key, content);
    return outcome.ok ? "ok" : outcome.error.code;
  }

  open(at: number, id: bigint, timeoutMs: number): Promise<Told> {
    return this.#told(at, OpCode.createSession, "", openContent(id, timeoutMs));
  }

  close(at: number, id: bigint): Promise<Told> {
    return this.#told(at, OpCode.closeSession, "", encodeCloseSession(id));
  }

  resume(at: number, id: bigint, password = PASSWORD): Promise<Told> {
    return this.#told(at, OpCode.resumeSession, "", resumeContent(id, password));
  }

  create(
    at: number,
    path: string,
    session: bigint | null,
    mode?: CreateMode,
    ttlMs?: number,
  ): Promise<Told> {
    return this.#told(at, OpCode.add, path, createContent(session, mode, ttlMs));
  }

  /** Below the root, those that every tree has included. */
  count(at: number): number {
    const answer = this.service(at).readNow(OpCode.countAllChildren, "/", READ);
    if (!answer.ok) throw new Error(answer.code);
    return decodeCount(answer.content);
  }

  has(at: number, path: string): boolean {
    return this.service(at).readNow(OpCode.exists, path, READ).ok;
  }

  /** Whether it is on each node that runs: all or none. */
  everywhere(path: string): boolean {
    const answers = [...this.servers.keys()].map((node) => this.has(node, path));
    if (new Set(answers).size !== 1) throw new Error(`${path}: ${answers.join()}`);
    return answers[0] ?? false;
  }

  async caughtUp(at: number): Promise<Txnid> {
    let isDone = false;
    this.service(at).catchUp((error) => {
      if (error !== null) throw error;
      isDone = true;
    });
    await this.clock.until(() => isDone);
    return this.service(at).lastApplied;
  }

  /** So much time, with a sign of life every so often. */
  async alive(at: () => number, session: bigint, ms: number, everyMs: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += everyMs) {
      this.service(at()).touch(session);
      await this.clock.pass(Math.min(everyMs, ms - passed));
    }
  }

  /** Kills one: it says nothing more and hears nothing more. */
  kill(node: number): void {
    this.network.silence(this.server(node).status().id);
    const id = this.server(node).status().id;
    this.servers.delete(id);
  }
}
