import { QuorateError } from "@quorate/protocol";
import { printJson, type ClientArgs } from "./client-commands.js";
import type { Io } from "./io.js";

/** One line of `session list --json`. Scripts rely on it: keys are only ever added. */
export interface ListedSession {
  readonly session: string;
  readonly timeoutMs: number;
  /** The node that its client is connected to, or was last; null when nobody knows. */
  readonly node: number | null;
  readonly ephemerals: number;
}

/** As a node tells it, in the form of its other commands. */
interface Answer {
  readonly error: string | null;
  readonly sessions: readonly {
    readonly session: string;
    readonly timeout_ms: number;
    readonly node: number | null;
    readonly ephemerals: number;
  }[];
  readonly count: number;
}

/**
 * The sessions of the ensemble, as the first server that serves has applied them.
 * @throws (rejects) ERR_CLIENT_UNREACHABLE when none of the servers tells.
 */
export async function listSessions(args: ClientArgs, io: Io): Promise<void> {
  const { sessions, count } = await askAny(args.server, args.timeout);
  const listed: ListedSession[] = sessions
    .map(({ session, timeout_ms: timeoutMs, node, ephemerals }) => {
      return { session, timeoutMs, node, ephemerals };
    })
    .sort((a, b) => (BigInt(`0x${a.session}`) < BigInt(`0x${b.session}`) ? -1 : 1));
  if (args.json) {
    printJson(io, { sessions: listed, count });
    return;
  }
  io.out(lineOf("session", "node", "timeout ms", "ephemerals"));
  for (const { session, timeoutMs, node, ephemerals } of listed) {
    io.out(lineOf(`0x${session}`, node ?? "-", timeoutMs, ephemerals));
  }
  if (listed.length < count) io.err(`quorate: ${listed.length} of ${count} sessions are listed\n`);
}

function lineOf(session: string, ...rest: readonly (string | number)[]): string {
  return (
    `${session.padEnd(18)}${rest.map((cell) => `  ${cell}`.padEnd(12)).join("")}`.trimEnd() + "\n"
  );
}

async function askAny(servers: readonly string[], timeoutMs: number): Promise<Answer> {
  const reasons: string[] = [];
  for (const server of servers) {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`http://${server}/commands/sessions`, { signal });
      const answer = (await response.json()) as Answer;
      if (Array.isArray(answer.sessions)) return answer;
      reasons.push(`${server}: ${answer.error ?? `HTTP ${response.status}`}`);
    } catch (error) {
      reasons.push(`${server}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new QuorateError("ERR_CLIENT_UNREACHABLE", reasons.join("; "), { retryable: true });
}
