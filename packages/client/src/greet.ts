import { QuorateError, TXNID_ZERO, type Txnid } from "@quorate/protocol";
import type { Ambient } from "./ambient.js";
import type { Call } from "./call.js";
import { GREETING_MS_MAX } from "./limits.js";
import type { Link } from "./link.js";
import type { Greeting, Standing } from "./standing.js";

/**
 * Makes a new connection what the last one was: identities, session and watches, before any call
 * leaves on it. Calls back once, with what went wrong; never after `cancel`.
 */
export function greet(
  link: Link,
  standing: Standing,
  greetings: readonly Greeting[],
  { clock }: Ambient,
  done: (error: QuorateError | null) => void,
): { cancel(): void } {
  let due = greetings.length;
  let newest: Txnid = TXNID_ZERO;
  let isOver = false;
  const calls: Call[] = [];
  const cancel = (): void => {
    isOver = true;
    timer.cancel();
    for (const call of calls) call.settled = true;
  };
  const finish = (error: QuorateError | null): void => {
    if (isOver) return;
    cancel();
    if (error === null) standing.greeted(newest);
    done(error);
  };
  const timer = clock.setTimer(GREETING_MS_MAX, () => {
    const what = `${link.server} did not take this client up in time`;
    finish(new QuorateError("ERR_CLIENT_TIMEOUT", what, { retryable: true }));
  });
  for (const greeting of greetings) {
    const call: Call = {
      ...greeting,
      kind: "greeting",
      isWrite: false,
      linearizable: false,
      deadline: Number.POSITIVE_INFINITY,
      settled: false,
      sent: false,
      order: 0,
      turnedAwayBy: null,
      id: 0,
      resolve(answer) {
        if (isOver) return;
        try {
          standing.answered(greeting, answer);
        } catch (error) {
          if (!(error instanceof QuorateError)) throw error;
          finish(error);
          return;
        }
        if (answer.txnid > newest) newest = answer.txnid;
        due -= 1;
        if (due === 0) finish(null);
      },
      reject: finish,
    };
    calls.push(call);
    link.send(call);
  }
  return { cancel };
}
