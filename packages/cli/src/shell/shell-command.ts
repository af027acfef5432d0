import { createInterface, type Interface } from "node:readline";
import {
  createClient,
  type ClientSession,
  type NodeEvent,
  type QuorateClient,
  type WatchKind,
} from "@quorate/client";
import { formatTxnid } from "@quorate/protocol";
import { printJson } from "../client-commands.js";
import type { HoldArgs } from "../contract-commands.js";
import { ExitCode } from "../exit-codes.js";
import type { Io } from "../io.js";
import { prove, proofsOf } from "../proofs.js";
import { reportError, usageError } from "../report.js";
import { wordsOf } from "../words.js";
import { completionsOf } from "./complete.js";
import { History, HISTORY_LINES_MAX, isKept } from "./history.js";
import { EXITS, VERBS, type VerbContext } from "./verbs.js";

/** Watches that one shell has open. */
const WATCHES_MAX = 1000;

/**
 * Reads verbs line by line and carries them out in one session. At a terminal a verb that fails is
 * told and the next one is read; from anything else it ends the shell with its exit code.
 */
export async function shellCommand(args: HoldArgs, io: Io): Promise<ExitCode> {
  const proofs = proofsOf(args.authFile, io.env);
  const client = createClient({ servers: args.server, timeoutMs: args.timeout });
  try {
    await prove(client, proofs);
    const settings = { timeoutMs: args.sessionTimeout, openMs: args.timeout };
    const session = await client.session(settings);
    const shell = new Shell(args, io, session, () => client.session(settings));
    return await shell.run();
  } finally {
    client.close();
  }
}

class Shell {
  readonly #args: HoldArgs;
  readonly #io: Io;
  readonly #open: QuorateClient["session"];
  readonly #lines: Interface;
  readonly #history: History;
  readonly #watches = new Map<string, AsyncIterableIterator<NodeEvent, undefined>>();
  #session: ClientSession;
  #running: AbortController | null = null;
  #isOver = false;

  constructor(args: HoldArgs, io: Io, session: ClientSession, open: QuorateClient["session"]) {
    this.#args = args;
    this.#io = io;
    this.#session = session;
    this.#open = open;
    this.#history = new History(io.env);
    this.#lines = this.#openLines();
    this.#follow(session);
  }

  async run(): Promise<ExitCode> {
    const { terminal } = this.#io;
    const stopListening = this.#io.onStopSignal(() => this.#leave());
    let exit: ExitCode = ExitCode.done;
    this.#prompt();
    try {
      for await (const line of this.#lines) {
        if (EXITS.includes(line.trim())) break;
        exit = await this.#carryOut(line);
        if (this.#isOver || (exit !== ExitCode.done && terminal === null)) break;
        this.#prompt();
      }
    } finally {
      stopListening();
      this.#isOver = true;
      this.#lines.close();
      for (const events of this.#watches.values()) void events.return?.();
      await this.#session.close();
    }
    return terminal === null ? exit : ExitCode.done;
  }

  #openLines(): Interface {
    const { terminal, stdin } = this.#io;
    if (terminal === null) return createInterface({ input: stdin });
    const lines = createInterface({
      ...terminal,
      terminal: true,
      history: this.#history.load(),
      historySize: HISTORY_LINES_MAX,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
        void completionsOf(line, this.#session).then(([offers, current]) => {
          done(null, [[...offers], current]);
        });
      },
    });
    // The array is the one that the arrows go through: a password leaves it at once.
    lines.on("history", (history: string[]) => {
      if (!isKept(history[0] ?? "")) history.shift();
      this.#history.save(history);
    });
    lines.on("SIGINT", () => this.#interrupt());
    return lines;
  }

  /** Ctrl-C: what runs is given up, or what was typed. */
  #interrupt(): void {
    if (this.#running !== null) {
      this.#running.abort();
      return;
    }
    this.#io.out("^C (Ctrl-D leaves)\n");
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" });
    this.#prompt();
  }

  #leave(): void {
    this.#isOver = true;
    this.#running?.abort();
    this.#lines.close();
  }

  async #carryOut(line: string): Promise<ExitCode> {
    const running = new AbortController();
    this.#running = running;
    try {
      const [name, ...args] = wordsOf(line);
      // From a file, what begins with # is for people.
      if (name === undefined || name.startsWith("#")) return ExitCode.done;
      const verb = VERBS.get(name);
      if (verb === undefined) throw usageError(`unknown verb ${name}; help tells all`);
      const { text, json } = await verb.run(args, this.#contextOf(running.signal));
      if (this.#args.json) printJson(this.#io, json);
      else this.#io.out(text);
      return ExitCode.done;
    } catch (error) {
      return reportError(this.#io, error, this.#args.json);
    } finally {
      this.#running = null;
    }
  }

  #contextOf(signal: AbortSignal): VerbContext {
    return {
      session: this.#session,
      signal,
      watch: (path, kind) => this.#watch(path, kind),
      unwatch: (path) => {
        const known = [...this.#watches].filter(([name]) => name.startsWith(`${path} `));
        for (const [name, events] of known) {
          this.#watches.delete(name);
          void events.return?.();
        }
        return known.length > 0;
      },
      watched: () => [...this.#watches.keys()],
      reconnect: async () => {
        if (this.#session.state !== "lost") throw usageError("the session is not lost");
        this.#session = await this.#open();
        this.#follow(this.#session);
      },
    };
  }

  #watch(path: string, kind: WatchKind): void {
    const name = `${path} ${kind}`;
    if (this.#watches.has(name)) throw usageError(`${name}: it is watched`);
    if (this.#watches.size >= WATCHES_MAX) throw usageError("too much is watched");
    const events = this.#session.watch(path, { kind });
    this.#watches.set(name, events);
    void this.#tellOf(events).finally(() => {
      if (this.#watches.get(name) === events) this.#watches.delete(name);
    });
  }

  async #tellOf(events: AsyncIterable<NodeEvent>): Promise<void> {
    try {
      for await (const { kind, path, txnid } of events) {
        const at = formatTxnid(txnid);
        this.#tell(`${at}  ${kind.padEnd(15)} ${path}`, { kind, path, txnid: at });
      }
    } catch (error) {
      if (!this.#isOver) this.#aside(() => void reportError(this.#io, error, this.#args.json));
    }
  }

  #follow(session: ClientSession): void {
    session.onState((state) => {
      if (this.#isOver) return;
      const hint =
        state === "lost" ? "; its ephemeral nodes are gone, reconnect opens another" : "";
      this.#tell(`the session is ${state}${hint}`, { state });
    });
  }

  #tell(text: string, json: unknown): void {
    this.#aside(() => {
      if (this.#args.json) printJson(this.#io, json);
      else this.#io.out(`${text}\n`);
    });
  }

  /** Between the lines: what is being typed stays, below. */
  #aside(print: () => void): void {
    const isTyping = this.#io.terminal !== null && this.#running === null && !this.#isOver;
    if (isTyping) this.#io.out("\r\u001b[K");
    print();
    if (isTyping) this.#prompt(true);
  }

  #prompt(preserveCursor = false): void {
    if (this.#io.terminal === null || this.#isOver) return;
    this.#lines.setPrompt(`quorate (${this.#session.state})> `);
    this.#lines.prompt(preserveCursor);
  }
}
