import type { NativeRequest } from "@quorate/codec";
import { OUTSTANDING_BYTES_MAX, OUTSTANDING_MAX, OUTSTANDING_READS_MAX } from "./limits.js";
import type { PortBudget } from "./outbox.js";
import { bytesOf } from "./request-kinds.js";

/** What one connection has taken on and not answered, against its bounds and the port's. */
export class Outstanding {
  readonly #budget: PortBudget;
  #requests = 0;
  #reads = 0;
  #bytes = 0;

  constructor(budget: PortBudget) {
    this.#budget = budget;
  }

  get hasRoom(): boolean {
    return (
      this.#requests < OUTSTANDING_MAX &&
      this.#reads < OUTSTANDING_READS_MAX &&
      this.#bytes < OUTSTANDING_BYTES_MAX
    );
  }

  begin(request: NativeRequest, reads: 0 | 1): void {
    this.#add(1, reads, bytesOf(request));
  }

  end(request: NativeRequest, reads: 0 | 1): void {
    this.#add(-1, -reads, -bytesOf(request));
  }

  #add(requests: number, reads: number, bytes: number): void {
    this.#requests += requests;
    this.#reads += reads;
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }
}
