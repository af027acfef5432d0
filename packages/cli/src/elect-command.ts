import { readFileSync } from "node:fs";
import {
  findLeader,
  joinElection,
  type Candidate,
  type CandidateState,
  type LostReason,
  type MembersOptions,
} from "@quorate/election";
import { QuorateError, silentLogger, type Logger } from "@quorate/protocol";
import { udpNetwork } from "@quorate/transport/udp";
import { LedCommand } from "./led-command.js";
import { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { usageError } from "./report.js";

export interface ElectArgs {
  readonly id?: number | undefined;
  readonly members: string;
  readonly cluster: string;
  readonly bind?: string | undefined;
  readonly rank: string;
  readonly secretFile?: string | undefined;
  readonly exec?: string | undefined;
  readonly once: boolean;
  readonly timeout: number;
  readonly json: boolean;
}

/** In the words of `quorate status`; how a lead ended is no role, and stands in its place. */
const ROLES = {
  electing: "electing",
  leading: "leader",
  following: "follower",
  lost: "lost",
  closed: "closed",
} as const satisfies Readonly<Record<CandidateState["status"] | "lost", string>>;

/** `quorate elect`: one candidate in the foreground, or who leads. */
export async function electCommand(args: ElectArgs, io: Io): Promise<ExitCode> {
  const common: MembersOptions = {
    cluster: args.cluster,
    members: parseMemberList(args.members),
    ...secretOf(args.secretFile),
    logger: warningsTo(io),
  };
  if (args.once) return printLeader(common, args, io);
  if (args.id === undefined) throw usageError("--id is needed, unless with --once");
  const lastLogged = parseRank(args.rank);
  const candidate = await joinElection(
    {
      ...common,
      nodeId: args.id,
      rank: () => ({ lastLogged }),
      ...(args.bind === undefined ? {} : { bind: args.bind }),
    },
    udpNetwork,
  );
  return new Session(candidate, args, io).run();
}

async function printLeader(common: MembersOptions, args: ElectArgs, io: Io): Promise<ExitCode> {
  const found = await findLeader({ ...common, timeoutMs: args.timeout }, udpNetwork);
  if (args.json) io.out(`${JSON.stringify(found)}\n`);
  else io.out(`node ${found.leader}  ${found.address}  term ${found.term}\n`);
  return ExitCode.done;
}

/** A candidate, what it prints, and the command that runs while it leads. */
class Session {
  readonly #candidate: Candidate;
  readonly #args: ElectArgs;
  readonly #io: Io;
  #command: LedCommand | null = null;
  /** The command ended by itself: with what. */
  #ended: string | null = null;
  #isStopping = false;

  constructor(candidate: Candidate, args: ElectArgs, io: Io) {
    this.#candidate = candidate;
    this.#args = args;
    this.#io = io;
  }

  async run(): Promise<ExitCode> {
    const candidate = this.#candidate;
    const stopListening = this.#io.onStopSignal(() => void this.#stop());
    candidate.on("electing", (state) => this.#print(state));
    candidate.on("following", (state) => this.#print(state));
    candidate.on("leading", (state) => this.#print(state));
    candidate.on("lost", (lost) => this.#print({ status: "lost", ...lost }));
    this.#print(candidate.state);
    const work =
      this.#args.exec === undefined ? Promise.resolve() : this.#runWhileLeading(this.#args.exec);
    const error = await candidate.closed;
    // The command's end is waited for, also when the candidate has failed.
    await work.catch((reason: unknown) => {
      if (reason !== error) throw reason;
    });
    stopListening();
    if (error !== null) throw error;
    if (this.#ended === null) return ExitCode.done;
    this.#io.err(`quorate: the command ended ${this.#ended}\n`);
    return this.#ended === "with code 0" ? ExitCode.done : ExitCode.refused;
  }

  async #runWhileLeading(commandLine: string): Promise<void> {
    await this.#candidate.whileLeading(async (signal, term) => {
      const env = { ...this.#io.env, QUORATE_TERM: String(term) };
      while (!signal.aborted && !this.#isStopping && this.#candidate.isLeading) {
        const command = new LedCommand(commandLine, env, () => this.#candidate.leadsForMs);
        this.#command = command;
        const onLost = (): void => command.endWithLead();
        signal.addEventListener("abort", onLost, { once: true });
        const end = await command.ended;
        signal.removeEventListener("abort", onLost);
        this.#command = null;
        // One that the guard has ended did not end by itself, also before the loss is told here.
        if (signal.aborted || this.#isStopping || command.isOverdue) continue;
        this.#ended = end;
        void this.#candidate.close();
      }
    });
  }

  /** The command ends while this node still leads; then others may. */
  async #stop(): Promise<void> {
    this.#isStopping = true;
    await this.#command?.stop();
    await this.#candidate.close();
  }

  #print(
    state: CandidateState | { readonly status: "lost"; term: number; reason: LostReason },
  ): void {
    const time = new Date().toISOString();
    const node = this.#candidate.nodeId;
    const { status, ...details } = state;
    const role = ROLES[status];
    if (this.#args.json) {
      this.#io.out(`${JSON.stringify({ time, node, role, ...details })}\n`);
      return;
    }
    this.#io.out(`${time.slice(11, 23)}  node ${node}  ${role.padEnd(9)}${detailsOf(state)}\n`);
  }
}

function detailsOf(
  state: CandidateState | { readonly status: "lost"; term: number; reason: LostReason },
): string {
  switch (state.status) {
    case "leading":
      return `  term ${state.term}`;
    case "following":
      return `  of node ${state.leader}, term ${state.term}`;
    case "lost":
      return `  term ${state.term} (${state.reason})`;
    case "electing":
    case "closed":
      return "";
  }
}

function parseMemberList(text: string): Record<number, string> {
  const members: Record<number, string> = {};
  for (const part of text.split(",")) {
    const match = /^\s*(\d{1,3})=(\S+)\s*$/.exec(part);
    const [, id, address] = match ?? [];
    if (id === undefined || address === undefined) {
      throw usageError(`--members is like "1=10.0.0.1:7001,2=10.0.0.2:7001", not "${part}"`);
    }
    if (members[Number(id)] !== undefined) throw usageError(`--members names node ${id} twice`);
    members[Number(id)] = address;
  }
  return members;
}

function parseRank(text: string): bigint {
  if (!/^\d{1,20}$/.test(text)) throw usageError("--rank is an integer from 0");
  return BigInt(text);
}

function secretOf(file: string | undefined): { secret?: string } {
  if (file === undefined) return {};
  try {
    return { secret: readFileSync(file, "utf8").trim() };
  } catch (cause) {
    throw new QuorateError("ERR_CONFIG_FILE", `cannot read the secret file ${file}`, { cause });
  }
}

/** What goes wrong, on standard error: standard output is for states. */
function warningsTo(io: Io): Logger {
  const print = (message: string, data: object = {}): void => {
    io.err(`quorate: ${message} ${JSON.stringify(data)}\n`);
  };
  const logger: Logger = { ...silentLogger, error: print, warn: print, child: () => logger };
  return logger;
}
