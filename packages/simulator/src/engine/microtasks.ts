/**
 * Runs every queued microtask, and those they queue, before it returns. Must be called from a
 * macrotask: inside a microtask V8 refuses to nest and nothing would run.
 *
 * Why not `await setImmediate`: an event costs a turn of the event loop then, about ten times the
 * event itself. Node keeps the function that it calls itself between two callbacks reachable as
 * `process._tickCallback`; {@link canDrainSynchronously} proves before each run that it does what
 * is claimed here, and the scheduler falls back to real turns of the loop where it does not.
 */
export function drainMicrotasks(): void {
  tickCallback?.call(process);
}

const tickCallback: (() => void) | undefined = findTickCallback();

function findTickCallback(): (() => void) | undefined {
  const found: unknown = Reflect.get(process, "_tickCallback");
  return typeof found === "function" ? (found as () => void) : undefined;
}

const PROBE_DEPTH = 200;

/** Whether a chain of awaits, thenables and nextTicks runs to its end within one drain. */
export function canDrainSynchronously(): boolean {
  let finished = 0;
  const chain = async (): Promise<void> => {
    for (let i = 0; i < PROBE_DEPTH; i += 1) await Promise.resolve();
    process.nextTick(() => {
      queueMicrotask(() => {
        finished += 1;
      });
    });
  };
  void chain();
  void chain().then(() => chain());
  drainMicrotasks();
  return finished === 3;
}
