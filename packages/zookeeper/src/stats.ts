/** Least, mean and greatest of what was observed; ZooKeeper's way to tell latencies, in ms. */
export class Latency {
  #min = Number.POSITIVE_INFINITY;
  #max = 0;
  #sum = 0;
  #count = 0;

  add(ms: number): void {
    if (ms < this.#min) this.#min = ms;
    if (ms > this.#max) this.#max = ms;
    this.#sum += ms;
    this.#count += 1;
  }

  get min(): number {
    return this.#count === 0 ? 0 : this.#min;
  }

  get max(): number {
    return this.#max;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  reset(): void {
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = 0;
    this.#sum = 0;
    this.#count = 0;
  }
}

/** Newest, least and greatest of sizes in bytes; -1 as long as there is none, as in ZooKeeper. */
export class Sizes {
  last = -1;
  min = -1;
  max = -1;

  add(bytes: number): void {
    this.last = bytes;
    if (this.min === -1 || bytes < this.min) this.min = bytes;
    if (bytes > this.max) this.max = bytes;
  }

  reset(): void {
    this.last = -1;
    this.min = -1;
    this.max = -1;
  }
}

/** Counts of the whole front end since its start, or since `srst`. */
export class ServerStats {
  readonly latency = new Latency();
  /** Of replies, without the length in front of them. */
  readonly replies = new Sizes();
  packetsReceived = 0;
  packetsSent = 0;
  connectionsRejected = 0;
  authFailed = 0;

  reset(): void {
    this.latency.reset();
    this.replies.reset();
    this.packetsReceived = 0;
    this.packetsSent = 0;
  }
}

/** Counts of one connection since it was made, or since `crst`. */
export class ConnectionStats {
  received = 0;
  sent = 0;
  lastOperation = "NA";
  lastXid = -1;
  lastZxid = -1n;
  lastResponseAt = 0;
  lastLatency = 0;
  readonly latency = new Latency();

  answered(reply: {
    readonly operation: string;
    readonly xid: number;
    readonly zxid: bigint;
    readonly now: number;
    readonly ms: number;
  }): void {
    this.lastOperation = reply.operation;
    this.lastXid = reply.xid;
    this.lastZxid = reply.zxid;
    this.lastResponseAt = reply.now;
    this.lastLatency = reply.ms;
    this.latency.add(reply.ms);
  }

  reset(): void {
    this.received = 0;
    this.sent = 0;
    this.lastOperation = "NA";
    this.lastXid = -1;
    this.lastZxid = -1n;
    this.lastResponseAt = 0;
    this.lastLatency = 0;
    this.latency.reset();
  }
}
