import { JuteReader, ReplyHeader, responseRecords } from "@quorate/zookeeper";
import { noPassword, RawConnection } from "./raw-connection.js";
import { bodyOf } from "./request-bytes.js";

const TIMEOUT_MS = 60_000;
/** A server that needs longer for one request has failed. */
export const ANSWER_MS = 20_000;

export interface Answer {
  readonly err: number;
  readonly zxid: bigint;
  /** Null for an error, and where there is no record. */
  readonly value: unknown;
}

/** A session that asks one thing at a time and watches nothing. */
export class PlainClient {
  readonly #connection: RawConnection;
  readonly #last: { packet: Uint8Array };

  private constructor(connection: RawConnection, last: { packet: Uint8Array }) {
    this.#connection = connection;
    this.#last = last;
  }

  /** @throws (rejects) when there is no session within that time. */
  static async open(
    server: string,
    timeoutMs = TIMEOUT_MS,
    answerMs = ANSWER_MS,
  ): Promise<PlainClient> {
    const last: { packet: Uint8Array } = { packet: noPassword };
    const connection = await RawConnection.open(server, (arrival) => {
      if (arrival.kind === "packet") last.packet = arrival.bytes;
    });
    const introduction = {
      lastZxidSeen: 0n,
      timeoutMs,
      sessionId: 0n,
      password: noPassword,
      readOnly: false,
    };
    const how = await connection.introduce(introduction, answerMs);
    if (how !== "replied") {
      connection.drop();
      throw new Error(`${server} gives no session: ${how}`);
    }
    return new PlainClient(connection, last);
  }

  /** @throws (rejects) when the connection ends or nothing comes. */
  async ask(type: number, value: unknown, ms = ANSWER_MS): Promise<Answer> {
    const how = await this.#connection.request(type, bodyOf(type, value), ms);
    if (how !== "replied") throw new Error(`no answer to a request of type ${type}: ${how}`);
    const reader = new JuteReader(this.#last.packet);
    const { zxid, err } = ReplyHeader.read(reader);
    const record = err === 0 ? (responseRecords.get(type) ?? null) : null;
    return { err, zxid, value: record?.read(reader) ?? null };
  }

  /** @throws (rejects) for an error, too. */
  async must(type: number, value: unknown, ms = ANSWER_MS): Promise<Answer> {
    const answer = await this.ask(type, value, ms);
    if (answer.err !== 0) throw new Error(`a request of type ${type} fails: ${answer.err}`);
    return answer;
  }

  close(): void {
    this.#connection.drop();
  }
}
