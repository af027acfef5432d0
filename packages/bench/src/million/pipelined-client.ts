import { setTimeout as pause } from "node:timers/promises";
import { JuteReader, ReplyHeader, ZkXid } from "@quorate/zookeeper";
import { noPassword, RawConnection, type Arrival } from "../differential/raw-connection.js";
import { bodyOf } from "../differential/request-bytes.js";

const SESSION_MS = 30_000;
const INTRODUCTION_MS = 10_000;
const RETRY_MS = 100;
const WAIT_MS = 60_000;

type Settle = (err: number | null) => void;

/**
 * Asks one server of ZooKeeper's protocol for as much at a time as its user likes, and looks at
 * nothing of an answer but whether it is an error. A lost connection is opened again, as another
 * session.
 */
export class PipelinedClient {
  readonly #server: string;
  #opened: Promise<Opened>;

  /** Connects when it is first asked for something. */
  constructor(server: string) {
    this.#server = server;
    this.#opened = open(server);
    // Whoever asks is told.
    this.#opened.catch(() => undefined);
  }

  /**
   * The error of the answer, 0 for none; null when the connection ended before it.
   * @throws (rejects) when the server gives no session for long.
   */
  async ask(type: number, value: unknown): Promise<number | null> {
    const body = bodyOf(type, value);
    let opened = await this.#opened;
    if (opened.connection.isClosed) {
      if ((await this.#opened) === opened) this.#opened = open(this.#server);
      opened = await this.#opened;
    }
    const { connection, waiting } = opened;
    const xid = connection.send(type, body);
    return new Promise((resolve) => waiting.set(xid, resolve));
  }

  async close(): Promise<void> {
    (await this.#opened).connection.drop();
  }
}

interface Opened {
  readonly connection: RawConnection;
  readonly waiting: Map<number, Settle>;
}

async function open(server: string): Promise<Opened> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await openOnce(server);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await pause(RETRY_MS);
  }
}

async function openOnce(server: string): Promise<Opened> {
  const waiting = new Map<number, Settle>();
  let isIntroduced = false;
  const onArrival = (arrival: Arrival): void => {
    if (arrival.kind === "closed") {
      for (const settle of waiting.values()) settle(null);
      waiting.clear();
    } else if (isIntroduced) {
      const { xid, err } = ReplyHeader.read(new JuteReader(arrival.bytes));
      if (xid === ZkXid.notification) return;
      waiting.get(xid)?.(err);
      waiting.delete(xid);
    } else {
      isIntroduced = true;
    }
  };
  const connection = await RawConnection.open(server, onArrival);
  const introduction = {
    lastZxidSeen: 0n,
    timeoutMs: SESSION_MS,
    sessionId: 0n,
    password: noPassword,
    readOnly: false,
  };
  const how = await connection.introduce(introduction, INTRODUCTION_MS);
  if (how !== "replied" || connection.isClosed) {
    connection.drop();
    throw new Error(`${server} gives no session: ${how}`);
  }
  return { connection, waiting };
}
