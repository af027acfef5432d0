import type { NativeRequest, UnreadableRequest } from "@quorate/codec";

type Framed = NativeRequest | UnreadableRequest;

/** Framed requests that are not yet taken on: what one read of the socket brought, at most. */
export class Inbox {
  #requests: Framed[] = [];
  #at = 0;

  get isEmpty(): boolean {
    return this.#at === this.#requests.length;
  }

  add(requests: Framed[]): void {
    this.#requests = this.isEmpty ? requests : this.#requests.slice(this.#at).concat(requests);
    this.#at = 0;
  }

  /** In order; undefined when there is none. */
  take(): Framed | undefined {
    const request = this.#requests[this.#at];
    if (request === undefined) return undefined;
    this.#at += 1;
    if (this.isEmpty) this.clear();
    return request;
  }

  clear(): void {
    this.#requests = [];
    this.#at = 0;
  }
}
