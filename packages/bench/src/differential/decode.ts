import {
  ConnectResponse,
  JuteReader,
  JuteWriter,
  ReplyHeader,
  responseRecords,
  WatcherEvent,
  ZkXid,
  type Field,
} from "@quorate/zookeeper";
import type { Step } from "./steps.js";
import type { Outcome, Trace } from "./trace.js";

/** A packet in words of the protocol, with the target's own numbers. */
export type Decoded = { readonly connection: number } & (
  | { readonly kind: "closed" | "silent" }
  | { readonly kind: "connect"; readonly response: Connect; readonly readOnly: boolean | null }
  | { readonly kind: "event"; readonly zxid: bigint; readonly err: number; readonly event: Event }
  | {
      readonly kind: "reply";
      /** Of the request that it answers; null for an answer to nothing that was asked. */
      readonly type: number | null;
      readonly xid: number;
      readonly zxid: bigint;
      readonly err: number;
      /** Null when nothing follows the header. */
      readonly body: unknown;
      /** The record, written again, is what came: nothing in it was passed over. */
      readonly isExact: boolean;
      /** Bytes that no record accounts for. */
      readonly rest: Uint8Array;
    }
  | { readonly kind: "unreadable"; readonly bytes: Uint8Array }
);

interface Connect {
  readonly protocolVersion: number;
  readonly timeOut: number;
  readonly sessionId: bigint;
  readonly passwd: Uint8Array | null;
}

interface Event {
  readonly type: number;
  readonly state: number;
  readonly path: string | null;
}

/** Reads every packet of a trace. */
export function decodeTrace({ steps, outcomes }: Trace): readonly (readonly Decoded[])[] {
  const introduced = new Set<number>();
  return outcomes.map((outcome, i) => decodeOutcome(outcome, steps[i], introduced));
}

function decodeOutcome(
  outcome: Outcome,
  step: Step | undefined,
  introduced: Set<number>,
): readonly Decoded[] {
  return outcome.map(({ connection, what }) => {
    if (typeof what === "string") return { connection, kind: what };
    const isFirst = !introduced.has(connection);
    introduced.add(connection);
    const type = step?.connection === connection && "type" in step ? step.type : null;
    try {
      return isFirst ? decodeConnect(connection, what) : decodePacket(connection, what, type);
    } catch {
      // What cannot be read is compared byte by byte.
      return { connection, kind: "unreadable", bytes: what };
    }
  });
}

function decodeConnect(connection: number, bytes: Uint8Array): Decoded {
  const reader = new JuteReader(bytes);
  const response = ConnectResponse.read(reader);
  const readOnly = reader.remaining === 0 ? null : reader.boolean();
  return { connection, kind: "connect", response, readOnly };
}

function decodePacket(connection: number, bytes: Uint8Array, type: number | null): Decoded {
  const reader = new JuteReader(bytes);
  const { xid, zxid, err } = ReplyHeader.read(reader);
  if (xid === ZkXid.notification) {
    return { connection, kind: "event", zxid, err, event: WatcherEvent.read(reader) };
  }
  const record = type === null ? null : (responseRecords.get(type) ?? null);
  const from = reader.position;
  const body = record !== null && reader.remaining > 0 ? record.read(reader) : null;
  const read = bytes.subarray(from, reader.position);
  const isExact = record === null || body === null || isWrittenAs(record, body, read);
  const rest = reader.raw(reader.remaining);
  return { connection, kind: "reply", type, xid, zxid, err, body, isExact, rest };
}

function isWrittenAs(record: Field<unknown>, body: unknown, bytes: Uint8Array): boolean {
  const writer = new JuteWriter();
  record.write(writer, body);
  return Buffer.compare(writer.bytes(), bytes) === 0;
}
