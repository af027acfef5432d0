import {
  isSamePassword,
  OpCode,
  SESSION_PASSWORD_BYTES,
  type QuorateError,
  type NodeId,
  type Random,
  type RequestOutcome,
  type Service,
} from "@quorate/protocol";
import { encodeCreateSession, encodeResumeSession } from "@quorate/znode";
import type { ValueOf } from "../jute/field.js";
import type { JuteReader } from "../jute/reader.js";
import { ConnectRequest } from "../jute/records.js";
import type { JuteWriter } from "../jute/writer.js";
import { SESSION_ID_TRIES_MAX } from "../limits.js";
import type { ZkOptions } from "../options.js";

const LOW_56_BITS = (1n << 56n) - 1n;

export interface ConnectPacket {
  readonly request: ValueOf<typeof ConnectRequest>;
  /** Old clients say nothing of it, and are told nothing. */
  readonly knowsReadOnly: boolean;
  readonly asksReadOnly: boolean;
}

/** @throws ERR_PROTOCOL_DECODE. */
export function readConnect(reader: JuteReader): ConnectPacket {
  const request = ConnectRequest.read(reader);
  const knowsReadOnly = reader.remaining > 0;
  return { request, knowsReadOnly, asksReadOnly: knowsReadOnly && reader.boolean() };
}

/** A session that a connection may go on with. */
export interface Established {
  readonly session: bigint;
  readonly password: Uint8Array;
  readonly timeoutMs: number;
  readonly isReadOnly: boolean;
}

export function negotiateTimeout(
  asked: number,
  options: Pick<ZkOptions, "sessionMsMin" | "sessionMsMax">,
): number {
  return Math.min(Math.max(asked, options.sessionMsMin), options.sessionMsMax);
}

/** The reply to a connect request; null says that the session is gone. */
export function writeConnectResponse(
  writer: JuteWriter,
  established: Established | null,
  knowsReadOnly: boolean,
): void {
  const frame = writer.beginFrame();
  writer.int(0);
  writer.int(established?.timeoutMs ?? 0);
  writer.long(established?.session ?? 0n);
  writer.buffer(established?.password ?? new Uint8Array(SESSION_PASSWORD_BYTES));
  if (knowsReadOnly) writer.boolean(established?.isReadOnly ?? false);
  writer.endFrame(frame);
}

export interface HandshakeDeps {
  readonly service: Service;
  readonly random: Random;
  readonly options: ZkOptions;
}

/** `null`: the session is gone or the password is wrong. An error: nobody can tell. */
export type HandshakeDone = (result: Established | null | QuorateError) => void;

/** Creates the session that a connect request asks for, or takes up the one that it names. */
export function establish(deps: HandshakeDeps, packet: ConnectPacket, done: HandshakeDone): void {
  const { sessionId, passwd } = packet.request;
  const timeoutMs = negotiateTimeout(packet.request.timeOut, deps.options);
  if (sessionId === 0n) createSession(deps, timeoutMs, done);
  else {
    const id = BigInt.asUintN(64, sessionId);
    resumeSession(deps.service, { id, timeoutMs, password: passwd }, done);
  }
}

/** Asks for a session of this node's. `timeoutMs` is what was negotiated. */
export function createSession(
  deps: Pick<HandshakeDeps, "service" | "random">,
  timeoutMs: number,
  done: HandshakeDone,
  tries = SESSION_ID_TRIES_MAX,
): void {
  const { service, random } = deps;
  const session = newSessionId(service.nodeId, random);
  const password = newPassword(random);
  const content = encodeCreateSession({ id: session, timeoutMs, password });
  service.submit(OpCode.createSession, "", content, (outcome) => {
    if (outcome.ok) {
      done({ session, password, timeoutMs, isReadOnly: false });
    } else if (outcome.error.code === "ERR_SESSION_EXISTS" && tries > 1) {
      createSession(deps, timeoutMs, done, tries - 1);
    } else {
      done(outcome.error);
    }
  });
}

/** A session as a client wants it taken up. */
export interface AskedSession {
  readonly id: bigint;
  /** What was negotiated, which it has from then on; 0 leaves it as it is. */
  readonly timeoutMs: number;
  readonly password: Uint8Array | null;
}

/** Takes a session up at this node. */
export function resumeSession(service: Service, asked: AskedSession, done: HandshakeDone): void {
  const { id, timeoutMs } = asked;
  if (asked.password?.length !== SESSION_PASSWORD_BYTES) {
    // Not even the form of a password: no reason to ask the leader.
    done(null);
    return;
  }
  const password = asked.password.slice();
  const content = encodeResumeSession({ id, timeoutMs, password });
  service.submit(OpCode.resumeSession, "", content, (outcome) => {
    done(resumed(outcome, id, password));
  });
}

function resumed(
  outcome: RequestOutcome,
  session: bigint,
  password: Uint8Array,
): Established | null | QuorateError {
  if (outcome.ok) {
    const { content } = outcome;
    const timeoutMs = new DataView(content.buffer, content.byteOffset, 4).getInt32(0);
    return { session, password, timeoutMs, isReadOnly: false };
  }
  const { code } = outcome.error;
  const isGone = code === "ERR_SESSION_EXPIRED" || code === "ERR_SESSION_AUTH_FAILED";
  return isGone ? null : outcome.error;
}

/**
 * A session for a client that is content with reads, while there is no leader who could make one.
 * It is known here alone and ends with the connection; one that the state knows may go on in it.
 * `null`: the password is wrong. "unknown": nobody here can tell. A node without a quorum may not
 * have heard yet of a session that is open: to say that it is gone would be a lie (Invariant 10).
 * Deviation from ZooKeeper, which says so.
 */
export function establishReadOnly(
  deps: HandshakeDeps,
  { request }: ConnectPacket,
): Established | null | "unknown" {
  const timeoutMs = negotiateTimeout(request.timeOut, deps.options);
  if (request.sessionId === 0n) {
    const session = newSessionId(deps.service.nodeId, deps.random);
    return { session, password: newPassword(deps.random), timeoutMs, isReadOnly: true };
  }
  const session = BigInt.asUintN(64, request.sessionId);
  const known = deps.service.session(session);
  if (known === undefined) return "unknown";
  if (!isSamePassword(known.password, request.passwd)) return null;
  return { session, password: known.password, timeoutMs, isReadOnly: true };
}

/** The node in the high byte, so that two nodes never make the same one; the rest at random. */
function newSessionId(nodeId: NodeId, random: Random): bigint {
  return (BigInt(nodeId) << 56n) | (random.nextUint64() & LOW_56_BITS);
}

function newPassword(random: Random): Uint8Array {
  const password = new Uint8Array(SESSION_PASSWORD_BYTES);
  const view = new DataView(password.buffer);
  view.setBigUint64(0, random.nextUint64());
  view.setBigUint64(8, random.nextUint64());
  return password;
}
