import type { AuthIdentity } from "@quorate/protocol";
import type { World } from "../../world/world.js";
import { identitiesOf } from "../session/identities.js";
import { FeedFollower, type FeedFollowerOptions } from "./feed-follower.js";

const POLL_MS = 100;

/** As session clients: one of the address that some nodes let in, one that is logged in. */
const [STRANGER, NAMED, USER] = [2, 3, 5].map(provedBy);

/** Several of the same prefix, who may hear of other things: they share pages where they meet. */
const FOLLOWERS: readonly FeedFollowerOptions[] = [
  { name: "stranger", identities: STRANGER ?? [], prefix: "" },
  { name: "named", identities: NAMED ?? [], prefix: "" },
  { name: "user", identities: USER ?? [], prefix: "" },
  { name: "stranger of a subtree", identities: STRANGER ?? [], prefix: "/q3" },
  { name: "the node's own", identities: null, prefix: "/" },
];

function provedBy(client: number): readonly AuthIdentity[] {
  return [...identitiesOf(client)].map((one) => {
    const [scheme = "", ...id] = one.split(":");
    return { scheme, id: id.join(":") };
  });
}

/** Who follows the log, beside those who ask. */
export class FeedWorkload {
  readonly #world: World;
  readonly #followers: readonly FeedFollower[];

  constructor(world: World) {
    this.#world = world;
    const followers = world.composition.hasSessions ? FOLLOWERS : [];
    this.#followers = followers.map((options) => new FeedFollower(world, options));
  }

  start(): void {
    for (const follower of this.#followers) follower.start();
  }

  /** All hear of all that is committed by now. */
  async finish(withinMs: number): Promise<void> {
    const { scheduler, violations, service } = this.#world;
    const { newest } = service.model;
    const untilMs = scheduler.nowMs + withinMs;
    for (;;) {
      const late = this.#followers.filter(({ cursor }) => cursor < newest);
      if (late.length === 0 || violations.found.length > 0) return;
      if (scheduler.nowMs > untilMs) {
        const names = late.map(({ name }) => name).join(", ");
        violations.report("liveness", `${names} did not hear of all, after all faults ended`);
        return;
      }
      await scheduler.sleep(POLL_MS);
    }
  }
}
