import { OpCode, type NodeId, type StateMachine } from "@quorate/protocol";
import type { ApplyChecker } from "../checkers/apply-checker.js";
import type { PurgeChecker } from "../checkers/service/purge-checker.js";

/** Tells the checkers what a state machine applies, and removes of itself, from outside of it. */
export function watchMachine(
  inner: StateMachine,
  node: NodeId,
  { checker, purges }: { readonly checker: ApplyChecker; readonly purges: PurgeChecker },
  isCurrent: () => boolean,
): StateMachine {
  checker.reset(node);
  let isRestored = false;
  return {
    get sessions() {
      return inner.sessions;
    },
    attach: (listener) => inner.attach?.(listener),
    expiredNodes: (wallTimeMs, max) => inner.expiredNodes?.(wallTimeMs, max) ?? [],
    prepare: (op, key, content, context) => {
      const prepared = inner.prepare(op, key, content, context);
      if (op === OpCode.deleteExpired && prepared.ok) {
        const { txnid, wallTimeMs } = context;
        purges.prepared(txnid, { leader: node, path: prepared.key, wallTimeMs });
      }
      return prepared;
    },
    discardPrepared: () => inner.discardPrepared(),
    apply: (entry) => {
      // Not with each part of it: only the whole has a digest.
      if (isRestored && isCurrent()) checker.restored(node, inner.digest());
      isRestored = false;
      const answer = inner.apply(entry);
      if (isCurrent()) checker.applied(node, entry, inner.digest());
      return answer;
    },
    read: (op, key, content) => inner.read(op, key, content),
    digest: () => inner.digest(),
    beginChanges: (options) => inner.beginChanges(options),
    reset: () => {
      inner.reset();
      isRestored = false;
      if (isCurrent()) checker.reset(node);
    },
    restore: (rows) => {
      inner.restore(rows);
      isRestored = true;
    },
  };
}
