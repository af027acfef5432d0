/**
 * An invariant that did not hold: a bug, never weather. The node that meets one must stop, since
 * whatever it does next rests on a state that cannot be.
 */
export class InvariantError extends Error {
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(`invariant violated: ${message}`);
    this.name = "InvariantError";
    this.details = details;
  }
}

/** States what must hold. Stays on in production. */
export function assert(
  condition: boolean,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): asserts condition {
  if (!condition) throw new InvariantError(message, details);
}

/** The end of a `switch` over a union: a new member fails to compile here. */
export function assertNever(value: never, what: string): never {
  throw new InvariantError(`unexpected ${what}`, { value });
}
