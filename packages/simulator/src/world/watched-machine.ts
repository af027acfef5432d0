import type { StateMachine } from "@quorate/protocol";
import type { NodeId } from "@quorate/protocol";
import type { ApplyChecker } from "../checkers/apply-checker.js";

/** Tells the checker what a state machine applies, from outside of it. */
export function watchMachine(
  inner: StateMachine,
  node: NodeId,
  checker: ApplyChecker,
  isCurrent: () => boolean,
): StateMachine {
  checker.reset(node);
  return {
    get sessions() {
      return inner.sessions;
    },
    attach: (listener) => inner.attach?.(listener),
    expiredNodes: (wallTimeMs, max) => inner.expiredNodes?.(wallTimeMs, max) ?? [],
    prepare: (op, key, content, context) => inner.prepare(op, key, content, context),
    discardPrepared: () => inner.discardPrepared(),
    apply: (entry) => {
      const answer = inner.apply(entry);
      if (isCurrent()) checker.applied(node, entry, inner.digest());
      return answer;
    },
    read: (op, key, content) => inner.read(op, key, content),
    digest: () => inner.digest(),
    beginChanges: (options) => inner.beginChanges(options),
    reset: () => {
      inner.reset();
      if (isCurrent()) checker.reset(node);
    },
    restore: (rows) => {
      inner.restore(rows);
      if (isCurrent()) checker.restored(node, inner.digest());
    },
  };
}
