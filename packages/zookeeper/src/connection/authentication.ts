import { QuorateError } from "@quorate/protocol";
import { ZkOp } from "../jute/op-codes.js";
import type { JuteReader } from "../jute/reader.js";
import { AuthPacket, SaslToken } from "../jute/records.js";
import type { JuteWriter } from "../jute/writer.js";
import { ZkError } from "../zk-errors.js";
import type { Identities } from "./identities.js";
import type { SaslLogin } from "./sasl.js";

export interface AuthAnswer {
  readonly err: number;
  /** What follows the reply's header, also beside an error. */
  readonly body: (writer: JuteWriter) => void;
  /** Why the connection ends with it; null when it goes on. */
  readonly failure: string | null;
}

/** What a connection proves itself to. */
export interface Proofs {
  readonly identities: Identities;
  readonly sasl: SaslLogin;
}

const nothing = (): void => undefined;

/** Whether an op proves who a client is. It is answered at once, and holds for all behind it. */
export function isAuthentication(op: number): boolean {
  return op === ZkOp.auth || op === ZkOp.sasl;
}

/** @throws ERR_PROTOCOL_DECODE. */
export function authenticate(
  op: number,
  reader: JuteReader,
  { identities, sasl }: Proofs,
): AuthAnswer {
  if (op === ZkOp.sasl) {
    const given = SaslToken.read(reader).token;
    // A ZooKeeper falls over it, with a login configuration and without, and sends no answer.
    if (given === null) throw new QuorateError("ERR_PROTOCOL_DECODE", "no token of SASL");
    const { err, token, failure } = sasl.take(given);
    return { err, body: (writer) => SaslToken.write(writer, { token }), failure };
  }
  const { scheme, auth } = AuthPacket.read(reader);
  const isProved = identities.authenticate(scheme, auth);
  if (isProved) return { err: ZkError.ok, body: nothing, failure: null };
  return { err: ZkError.authFailed, body: nothing, failure: scheme ?? "no scheme" };
}
