import fc from "fast-check";
import { expect, test } from "vitest";
import { makeTxnid, type CommittedEvent, type Txnid } from "@quorate/protocol";
import { FakeEndpoint, refusal, until, type FakeSubscription } from "./fake-endpoint.js";
import { openClient } from "./support.js";

const TOTAL = 40;
const at = (counter: number): Txnid => makeTxnid(7, counter);
const event = (counter: number): CommittedEvent => ({
  txnid: at(counter),
  operations: [{ kind: "delete", path: `/${counter}` }],
});
const counterOf = (txnid: Txnid): number => Number(txnid & 0xffff_ffffn);

type Mishap = "cut" | "notReady" | "closed" | "busy" | "none";
const mishaps = fc.constantFrom<Mishap>("cut", "notReady", "closed", "busy", "none");
/** What each subscription is sent before something happens to it. */
const plans = fc.array(
  fc.record({ pages: fc.array(fc.nat(4), { maxLength: 4 }), mishap: mishaps }),
  {
    maxLength: 8,
  },
);

function serve(
  server: FakeEndpoint,
  { after, send, end }: FakeSubscription,
  plan: { readonly pages: readonly number[]; readonly mishap: Mishap } | undefined,
): void {
  let cursor = counterOf(after ?? at(0));
  const sendPage = (count: number): void => {
    const upTo = Math.min(TOTAL, cursor + count);
    const counters = Array.from({ length: upTo - cursor }, (_, i) => cursor + i + 1);
    cursor = upTo;
    send(at(upTo), counters.map(event));
  };
  send(at(cursor));
  if (plan === undefined) {
    sendPage(TOTAL);
    return;
  }
  for (const count of plan.pages) sendPage(count);
  switch (plan.mishap) {
    case "cut":
      server.cut();
      break;
    case "notReady":
      end(refusal("ERR_SERVER_NOT_READY"));
      break;
    case "closed":
      end(refusal("ERR_SERVER_CLOSED"));
      break;
    case "busy":
      end(refusal("ERR_SERVER_BUSY"));
      break;
    case "none":
      sendPage(TOTAL);
      break;
  }
}

test("however servers end it, a subscription misses nothing and repeats nothing", async () => {
  await using first = await FakeEndpoint.open(({ content }) => content);
  await using second = await FakeEndpoint.open(({ content }) => content);
  await fc.assert(
    fc.asyncProperty(plans, fc.boolean(), async (plan, bookmarks) => {
      const left = [...plan];
      for (const server of [first, second]) {
        server.subscribing = (subscription) => serve(server, subscription, left.shift());
      }
      using client = openClient({ servers: [first.url, second.url] });
      const seen: number[] = [];
      const consume = async (): Promise<void> => {
        for await (const { txnid, operations } of client.subscribe({ from: at(0), bookmarks })) {
          if (operations.length > 0) seen.push(counterOf(txnid));
          if (seen.length === TOTAL) return;
        }
      };
      let isOver = false;
      const done = consume().finally(() => (isOver = true));
      await until(() => {
        client.clock.advance(50);
        return isOver;
      });
      await done;
      expect(seen).toEqual(Array.from({ length: TOTAL }, (_, i) => i + 1));
    }),
    { numRuns: 60 },
  );
});
