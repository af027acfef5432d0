/**
 * To every process of the group that there is.
 * @returns why not, in the system's words: a command may have become another user's.
 */
export function signalGroup(group: number, signal: NodeJS.Signals): string | null {
  try {
    process.kill(-group, signal);
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Nobody is left in it.
    return code === "ESRCH" ? null : message;
  }
}
