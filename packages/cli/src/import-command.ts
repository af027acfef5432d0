import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { formatTxnid, QuorateError } from "@quorate/protocol";
import { printJson } from "./client-commands.js";
import { ExitCode } from "./exit-codes.js";
import { PATHS_TOLD_MAX } from "./import/limits.js";
import { Owners } from "./import/owners.js";
import { Progress } from "./import/progress.js";
import { runImport, type ImportReport } from "./import/run-import.js";
import { Spool } from "./import/spool.js";
import { Target } from "./import/target.js";
import type { Credential } from "./import/zk-link.js";
import { parseSource, ZkSource } from "./import/zk-source.js";
import type { Io } from "./io.js";
import { usageError } from "./report.js";

export interface ImportArgs {
  readonly zookeeper: string;
  readonly server: readonly string[];
  readonly timeout: number;
  readonly json: boolean;
  readonly secretFile: string | undefined;
  readonly authFile: string | undefined;
  readonly owners: string | undefined;
  readonly dryRun: boolean;
  readonly verify: boolean;
  readonly passes: number;
  readonly acceptChanges: boolean;
  readonly skipUnreadable: boolean;
  readonly force: boolean;
  readonly spoolDir: string | undefined;
}

/** `quorate import`: copies a live ZooKeeper's tree, or compares it with what was copied. */
export async function importCommand(args: ImportArgs, io: Io): Promise<ExitCode> {
  if (args.dryRun && args.verify) throw usageError("give --dry-run or --verify, not both");
  if (!Number.isInteger(args.passes) || args.passes < 1) {
    throw usageError(`--passes: at least 1, not ${args.passes}`);
  }
  const startedAt = performance.now();
  const source = new ZkSource(parseSource(args.zookeeper), credentialsOf(args, io));
  const target = new Target({
    servers: args.server,
    secret: secretOf(args, io),
    timeoutMs: args.timeout,
  });
  const owners = args.owners === undefined ? null : await Owners.read(args.owners);
  const spool = await Spool.open(args.spoolDir ?? tmpdir());
  const progress = new Progress(io, args.json);
  try {
    const report = await runImport(
      {
        mode: args.verify ? "verify" : args.dryRun ? "dryRun" : "import",
        passes: args.passes,
        acceptsChanges: args.acceptChanges,
        skipsUnreadable: args.skipUnreadable,
        force: args.force,
      },
      { source, target, spool, owners, progress },
    );
    progress.end();
    const seconds = (performance.now() - startedAt) / 1000;
    if (args.json) printJson(io, printableReport(report, seconds));
    else io.out(textOf(report, seconds));
    return report.differences === null || report.differences.length === 0
      ? ExitCode.done
      : ExitCode.differs;
  } finally {
    progress.end();
    source.close();
    target.close();
    await spool.close();
  }
}

function secretOf({ secretFile }: ImportArgs, { env }: Io): string | null {
  const file = secretFile ?? env["QUORATE_SECRET_FILE"];
  if (file !== undefined) return readText("secret", file).trim();
  return env["QUORATE_SECRET"] ?? null;
}

/** Not on the command line, which every user of the machine may see. */
function credentialsOf({ authFile }: ImportArgs, { env }: Io): Credential[] {
  const name = "QUORATE_ZOOKEEPER_AUTH";
  const text = authFile === undefined ? env[name] : readText("auth", authFile);
  const lines = (text ?? "").split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "")
    .map((line) => {
      const at = line.indexOf(":");
      if (at > 0) return { scheme: line.slice(0, at), auth: line.slice(at + 1) };
      throw usageError(`--auth-file or ${name}: a line is written like digest:user:password`);
    });
}

function readText(what: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new QuorateError("ERR_CONFIG_FILE", `cannot read the ${what} file ${file}`, { cause });
  }
}

function printableReport(report: ImportReport, seconds: number) {
  const { sourceZxid, unreadable, reserved, differences, ...rest } = report;
  return {
    ...rest,
    unreadable: { count: unreadable.length, paths: unreadable.slice(0, PATHS_TOLD_MAX) },
    reserved: { count: reserved.length, paths: reserved.slice(0, PATHS_TOLD_MAX) },
    sourceZxid: `0x${sourceZxid.toString(16)}`,
    differences:
      differences === null
        ? null
        : { count: differences.length, first: differences.slice(0, PATHS_TOLD_MAX) },
    seconds: Number(seconds.toFixed(2)),
  };
}

const DONE = {
  import: "imported",
  dryRun: "would be imported",
  verify: "compared",
} as const;

function textOf(report: ImportReport, seconds: number): string {
  const { nodes, bytes, added, ephemerals, epoch, sourceZxid, passes, changed } = report;
  const rows: [string, string][] = [
    [DONE[report.mode], `${nodes} nodes, ${bytes} bytes of data`],
    ["ephemerals", `${ephemerals}, which belong to sessions of the source and stay there`],
    ["source", `zxid 0x${sourceZxid.toString(16)} (${formatTxnid(sourceZxid)}), ${passes} passes`],
  ];
  if (added !== null && added < nodes) {
    rows.push(["there before", `${nodes - added} nodes, the very same`]);
  }
  if (epoch !== null) rows.push(["epoch", `${epoch}, above the source's`]);
  if (!report.knowsOwners) {
    rows.push(["without --owners", "no node is known as a container or by a time to live"]);
  }
  if (changed > 0) rows.push(["CHANGED", `${changed} nodes while the last pass came by`]);
  if (report.isSourceNewer) rows.push(["NEWER", "the source went on after it was read"]);
  rows.push(...listed("LEFT OUT", report.unreadable), ...listed("reserved", report.reserved));
  const differences = (report.differences ?? []).map(({ path, what }) => `${path}: ${what}`);
  if (report.differences?.length === 0) rows.push(["differences", "none"]);
  rows.push(...listed("DIFFERENT", differences), ["seconds", seconds.toFixed(2)]);
  return rows.map(([name, value]) => `${name.padEnd(19)}${value}\n`).join("");
}

function listed(name: string, paths: readonly string[]): [string, string][] {
  const rows = paths
    .slice(0, PATHS_TOLD_MAX)
    .map((path): [string, string] => [name, printable(path)]);
  const more = paths.length - rows.length;
  return more > 0 ? [...rows, [name, `and ${more} more`]] : rows;
}

/** Paths come from the source and may hold what a terminal would obey. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}
