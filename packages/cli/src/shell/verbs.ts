import { printableData, type ClientSession, type WatchKind } from "@quorate/client";
import { formatTxnid } from "@quorate/protocol";
import { formatAclEntry, parseAcl } from "../acl-text.js";
import { printableStat } from "../client-commands.js";
import { kindOf, WATCH_KINDS } from "../contract-commands.js";
import {
  bytesOf,
  createSettingsOf,
  integerOf,
  parseCreate,
  parseOperation,
} from "../operations.js";
import { parseProof } from "../proofs.js";
import { usageError } from "../report.js";

/** What a verb says: to people, and with --json. */
export interface Said {
  readonly text: string;
  readonly json: unknown;
}

export interface VerbContext {
  readonly session: ClientSession;
  readonly signal: AbortSignal;
  watch(path: string, kind: WatchKind): void;
  /** False when nothing there is watched. */
  unwatch(path: string): boolean;
  watched(): readonly string[];
  /** A new session in the place of one that is lost. */
  reconnect(): Promise<void>;
}

export interface Verb {
  readonly usage: string;
  readonly does: string;
  readonly details?: string;
  /** What may stand behind it, for completion: a path, a verb, or one of these words. */
  readonly takes?: "path" | "verb";
  readonly words?: readonly string[];
  run(args: readonly string[], context: VerbContext): Promise<Said>;
}

const done = (text: string, json: unknown): Said => ({ text, json });

/** The given ones, of which `needed` must be there. */
function argumentsOf(
  args: readonly string[],
  usage: string,
  needed: number,
  max: number,
): readonly string[] {
  if (args.length < needed || args.length > max) throw usageError(`usage: ${usage}`);
  return args;
}

function versionOf(text: string | undefined): { version?: number } {
  return text === undefined ? {} : { version: integerOf("a version", text) };
}

const reads: Readonly<Record<string, Verb>> = {
  ls: {
    usage: "ls [PATH]",
    does: "the names of a node's children",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = "/"] = argumentsOf(args, this.usage, 0, 1);
      const { children } = await session.children(path, { signal });
      return done(children.map((name) => `${name}\n`).join(""), { path, children });
    },
  },
  get: {
    usage: "get PATH",
    does: "a node's data",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = ""] = argumentsOf(args, this.usage, 1, 1);
      const { data, stat } = await session.get(path, { signal });
      const printable = printableData(data);
      const text = printable.encoding === "utf8" ? printable.data : `(base64) ${printable.data}`;
      return done(`${text}\n`, { path, ...printable, stat: printableStat(stat) });
    },
  },
  stat: {
    usage: "stat PATH",
    does: "what is known of a node besides its data",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = ""] = argumentsOf(args, this.usage, 1, 1);
      const found = await session.exists(path, { signal });
      if (found === null) return done("there is no such node\n", { path, stat: null });
      const stat = printableStat(found);
      const lines = Object.entries(stat).map(([key, value]) => `${key.padEnd(15)}${value}\n`);
      return done(lines.join(""), { path, stat });
    },
  },
  getacl: {
    usage: "getacl PATH",
    does: "who may do what with a node",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = ""] = argumentsOf(args, this.usage, 1, 1);
      const acl = (await session.getAcl(path, { signal })).acl.map(formatAclEntry);
      return done(acl.map((entry) => `${entry}\n`).join(""), { path, acl });
    },
  },
  ephemerals: {
    usage: "ephemerals [PREFIX]",
    does: "the ephemeral nodes of this session",
    takes: "path",
    async run(args, { session, signal }) {
      const [prefix = "/"] = argumentsOf(args, this.usage, 0, 1);
      const paths = await session.getEphemerals(prefix, { signal });
      return done(paths.map((path) => `${path}\n`).join(""), { paths });
    },
  },
  count: {
    usage: "count PATH",
    does: "how many nodes are below one, at whatever depth",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = ""] = argumentsOf(args, this.usage, 1, 1);
      const count = await session.countAllChildren(path, { signal });
      return done(`${count}\n`, { path, count });
    },
  },
  sync: {
    usage: "sync",
    does: "reads behind it see every write that was acknowledged before it",
    async run(args, { session, signal }) {
      argumentsOf(args, this.usage, 0, 0);
      await session.sync({ signal });
      return done("", {});
    },
  },
};

const writes: Readonly<Record<string, Verb>> = {
  create: {
    usage: "create [OPTIONS] PATH [DATA]",
    does: "creates a node",
    details:
      "Options: --ephemeral (it goes with this session), --sequential, --container,\n" +
      "--ttl MS, --acl SCHEME:ID:PERMS,...",
    takes: "path",
    words: ["--ephemeral", "--sequential", "--container", "--ttl", "--acl"],
    async run(args, { session, signal }) {
      const { path, data, flags } = parseCreate(args);
      const settings = { ...createSettingsOf(flags), signal };
      const created = await session.create(path, bytesOf(data ?? ""), settings);
      const json = { path: created.path, txnid: formatTxnid(created.txnid) };
      return done(`${created.path}\n`, json);
    },
  },
  set: {
    usage: "set PATH DATA [VERSION]",
    does: "replaces a node's data, only if it has that version when one is given",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = "", data = "", version] = argumentsOf(args, this.usage, 2, 3);
      const settings = { signal, ...versionOf(version) };
      const { stat, txnid } = await session.set(path, bytesOf(data), settings);
      const json = { path, txnid: formatTxnid(txnid), version: stat.version };
      return done(`version ${stat.version}\n`, json);
    },
  },
  delete: {
    usage: "delete PATH [VERSION]",
    does: "deletes a node that has no children",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = "", version] = argumentsOf(args, this.usage, 1, 2);
      const { txnid } = await session.delete(path, { signal, ...versionOf(version) });
      return done("", { path, txnid: formatTxnid(txnid) });
    },
  },
  setacl: {
    usage: "setacl PATH SCHEME:ID:PERMS,... [VERSION]",
    does: "says who may do what with a node",
    takes: "path",
    async run(args, { session, signal }) {
      const [path = "", text = "", version] = argumentsOf(args, this.usage, 2, 3);
      const settings = { signal, ...versionOf(version) };
      const { stat, txnid } = await session.setAcl(path, parseAcl(text), settings);
      const json = { path, txnid: formatTxnid(txnid), aversion: stat.aversion };
      return done(`aversion ${stat.aversion}\n`, json);
    },
  },
  multi: {
    usage: 'multi "OPERATION" ...',
    does: "does several things at once, or none",
    details: 'As: multi "check /a 3" "set /b new" "create --sequential /c- x" "delete /d"',
    async run(args, { session, signal }) {
      if (args.length === 0) throw usageError(`usage: ${this.usage}`);
      const { results, txnid } = await session.multi(args.map(parseOperation), { signal });
      const kinds = results.map((one) => ("path" in one ? `${one.kind} ${one.path}` : one.kind));
      return done(kinds.map((kind) => `${kind}\n`).join(""), { txnid: formatTxnid(txnid), kinds });
    },
  },
};

const others: Readonly<Record<string, Verb>> = {
  watch: {
    usage: "watch [PATH [KIND]]",
    does: "tells of changes of a node while you go on; without a path, what is watched",
    details: `KIND: ${WATCH_KINDS.join(", ")}; default persistent. data and children tell once.`,
    takes: "path",
    words: WATCH_KINDS,
    run(args, context) {
      const [path, kind = "persistent"] = argumentsOf(args, this.usage, 0, 2);
      if (path !== undefined) context.watch(path, kindOf(kind));
      const watched = path === undefined ? context.watched() : [];
      const text = watched.map((one) => `${one}\n`).join("");
      return Promise.resolve(done(text, path === undefined ? { watched } : { path, kind }));
    },
  },
  unwatch: {
    usage: "unwatch PATH",
    does: "ends what is watched there",
    takes: "path",
    run(args, context) {
      const [path = ""] = argumentsOf(args, this.usage, 1, 1);
      if (!context.unwatch(path)) throw usageError(`${path} is not watched`);
      return Promise.resolve(done("", { path }));
    },
  },
  addauth: {
    usage: "addauth SCHEME:PROOF",
    does: "proves who you are, as digest:user:password; not kept in the history",
    async run(args, { session, signal }) {
      const [text = ""] = argumentsOf(args, this.usage, 1, 1);
      const { scheme, proof } = parseProof(text);
      await session.addAuth(scheme, proof, { signal });
      return done("", { scheme });
    },
  },
  session: {
    usage: "session",
    does: "this session: its id, its timeout and how it stands",
    run(args, { session }) {
      argumentsOf(args, this.usage, 0, 0);
      const id = `0x${session.id.toString(16)}`;
      const { timeoutMs, state } = session;
      const text = `session ${id}, timeout ${timeoutMs} ms, ${state}\n`;
      return Promise.resolve(done(text, { session: id, timeoutMs, state }));
    },
  },
  reconnect: {
    usage: "reconnect",
    does: "opens a new session in the place of one that is lost",
    async run(args, context) {
      argumentsOf(args, this.usage, 0, 0);
      await context.reconnect();
      return done("", {});
    },
  },
  help: {
    usage: "help [VERB]",
    does: "all verbs, or one of them",
    takes: "verb",
    run(args) {
      const [name] = argumentsOf(args, this.usage, 0, 1);
      const text = name === undefined ? helpOfAll() : helpOf(name);
      return Promise.resolve(done(text, { help: text }));
    },
  },
};

export const VERBS: ReadonlyMap<string, Verb> = new Map(
  Object.entries({ ...reads, ...writes, ...others }),
);
/** They end the shell, as Ctrl-D does. */
export const EXITS: readonly string[] = ["exit", "quit"];

function helpOfAll(): string {
  const rows = [...VERBS.values(), { usage: EXITS.join(", "), does: "leaves, as Ctrl-D does" }];
  const width = Math.max(...rows.map(({ usage }) => usage.length));
  const lines = rows.map(({ usage, does }) => `${usage.padEnd(width)}  ${does}\n`);
  return `${lines.join("")}Words are apart by spaces; quote those that hold some.\n`;
}

function helpOf(name: string): string {
  const verb = VERBS.get(name);
  if (verb === undefined) throw usageError(`unknown verb ${name}; help tells all`);
  return `${verb.usage}\n  ${verb.does}\n${verb.details === undefined ? "" : `${verb.details}\n`}`;
}
