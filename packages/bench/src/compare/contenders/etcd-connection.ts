import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import {
  CONNECTION_LOSS,
  freshPath,
  keyPath,
  Kind,
  type LoadOpener,
  type LoadSink,
} from "@quorate/load";

const KV = "/etcdserverpb.KV/";
const LENGTH_DELIMITED = 2;
const VARINT = 0;

/** A field of a protobuf message. */
function bytesField(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from([(field << 3) | LENGTH_DELIMITED]),
    varint(value.length),
    value,
  ]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}

export function encodePut(key: string, value: Uint8Array): Buffer {
  return Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, value)]);
}

/** As ZooKeeper reads: what the node asked has applied, without a round (`serializable`). */
export function encodeRange(key: string): Buffer {
  return Buffer.concat([bytesField(1, Buffer.from(key)), Buffer.from([(7 << 3) | VARINT, 1])]);
}

export function encodeDelete(key: string): Buffer {
  return bytesField(1, Buffer.from(key));
}

const asIs = (bytes: Buffer): Buffer => bytes;

export interface EtcdConnectionOptions {
  readonly index: number;
  readonly servers: readonly string[];
  readonly root: string;
  readonly value: Uint8Array;
  /** Of each request; null for as long as it takes. */
  readonly deadlineMs: number | null;
}

/**
 * A channel of its own to etcd. Messages are encoded by hand, which takes three fields, and answers
 * are not decoded: what the library costs is left, and the report tells it.
 */
export class EtcdConnection implements LoadOpener {
  readonly #options: EtcdConnectionOptions;
  readonly #sink: LoadSink;
  #client: Client;
  #attempts: number;
  #inFlight = 0;
  #isOpen = false;
  #isClosed = false;

  constructor(options: EtcdConnectionOptions, sink: LoadSink) {
    this.#options = options;
    this.#sink = sink;
    this.#attempts = options.index;
    this.#client = this.#newClient();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async open(deadline: number): Promise<void> {
    const until = Date.now() + Math.max(0, deadline - performance.now());
    await new Promise<void>((resolve, reject) => {
      this.#client.waitForReady(until, (error) =>
        error === undefined ? resolve() : reject(error),
      );
    });
    this.#isOpen = true;
    this.#sink.opened(this.#options.index);
  }

  send(kind: Kind, key: number, startedAt: number): void {
    const { index, deadlineMs } = this.#options;
    const [method, message] = this.#requestOf(kind, key);
    const call = deadlineMs === null ? {} : { deadline: Date.now() + deadlineMs };
    this.#inFlight += 1;
    const client = this.#client;
    client.makeUnaryRequest(`${KV}${method}`, asIs, asIs, message, call, (error) => {
      this.#inFlight -= 1;
      if (error !== null && !this.#isClosed) this.#turnAway(client, error);
      const name = error === null ? null : nameOf(error);
      this.#sink.answered(index, kind, key, startedAt, performance.now(), name);
    });
  }

  flush(): void {
    // The library sends by itself.
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#isOpen = false;
    this.#client.close();
    return Promise.resolve();
  }

  #requestOf(kind: Kind, key: number): readonly [string, Buffer] {
    const { root, value } = this.#options;
    switch (kind) {
      case Kind.set:
        return ["Put", encodePut(keyPath(root, key), value)];
      case Kind.get:
        return ["Range", encodeRange(keyPath(root, key))];
      case Kind.create:
        return ["Put", encodePut(freshPath(root, key), value)];
      case Kind.remove:
        return ["DeleteRange", encodeDelete(freshPath(root, key))];
    }
  }

  /** To the next server, once for all that failed at the last. */
  #turnAway(from: Client, { code }: ServiceError): void {
    if (from !== this.#client) return;
    if (code !== status.UNAVAILABLE && code !== status.DEADLINE_EXCEEDED) return;
    this.#attempts += 1;
    this.#client = this.#newClient();
    from.close();
  }

  #newClient(): Client {
    const { servers } = this.#options;
    return new Client(
      servers[this.#attempts % servers.length] ?? "",
      credentials.createInsecure(),
      {
        // A connection of its own: channels to one server would share one.
        "grpc.use_local_subchannel_pool": 1,
        "grpc.initial_reconnect_backoff_ms": 20,
        "grpc.max_reconnect_backoff_ms": 50,
      },
    );
  }
}

function nameOf({ code }: ServiceError): string {
  return code === status.UNAVAILABLE ? CONNECTION_LOSS : (status[code] ?? `status ${code}`);
}
