import { dumpCommitLog, verifyCommitLog, type CommitLogReport } from "@quorate/commit-log";
import { formatTxnid, OpCode, QuorateError, type LogEntryMsg } from "@quorate/protocol";
import { printJson } from "./client-commands.js";
import { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";

export interface LogArgs {
  readonly action: "dump" | "verify";
  /** A store's directory, `dataDir` of its node. */
  readonly dir: string;
  readonly json: boolean;
}

/** `quorate log`: reads a store's files, also beside a running node, and changes nothing. */
export async function logCommand(args: LogArgs, io: Io): Promise<ExitCode> {
  if (args.action === "dump") return dump(args, io);
  const report = await verifyCommitLog(args.dir);
  if (args.json) printJson(io, printableReport(report));
  else io.out(linesOf(report));
  if (report.problems.length === 0) return ExitCode.done;
  throw new QuorateError("ERR_STORE_DAMAGED", report.problems.join("; "));
}

async function dump(args: LogArgs, io: Io): Promise<ExitCode> {
  for await (const entry of dumpCommitLog(args.dir)) {
    if (args.json) printJson(io, printableEntry(entry));
    else io.out(lineOf(entry));
  }
  return ExitCode.done;
}

/** Of one entry, in JSON. */
export function printableEntry({ txnid, fid, reqId, op, key, content }: LogEntryMsg) {
  return {
    txnid: formatTxnid(txnid),
    fid,
    reqId: reqId.toString(),
    op,
    key,
    // A new session's has its password, with which anybody could take it over.
    content: op === OpCode.createSession ? null : Buffer.from(content).toString("base64"),
  };
}

const OP_NAMES = new Map<number, string>(Object.entries(OpCode).map(([name, op]) => [op, name]));

/** Keys are quoted: they come from clients and may hold anything, a terminal's escapes too. */
function lineOf({ txnid, fid, op, key, content }: LogEntryMsg): string {
  const at = formatTxnid(txnid).padEnd(12);
  const name = (OP_NAMES.get(op) ?? `op ${op}`).padEnd(14);
  return `${at} from ${fid.padEnd(3)} ${name} ${content.length} B  ${JSON.stringify(key)}\n`;
}

function printableReport(report: CommitLogReport) {
  const { problems, schemaVersion, identity, acceptedEpoch, currentEpoch, damage } = report;
  return {
    problems,
    schemaVersion,
    identity,
    acceptedEpoch: acceptedEpoch.epoch,
    currentEpoch,
    damage,
    logStart: formatTxnid(report.logStart.txnid),
    lastLogged: formatTxnid(report.lastLogged.txnid),
    commitMark: formatTxnid(report.commitMark),
    batchCount: report.batchCount,
    entryCount: report.entryCount,
    logBytes: report.logBytes,
    checkpoint:
      report.checkpoint === null
        ? null
        : {
            txnid: formatTxnid(report.checkpoint.position.txnid),
            rowCount: report.checkpoint.rowCount,
          },
  };
}

function linesOf(report: CommitLogReport): string {
  const { problems, checkpoint, ...rest } = printableReport(report);
  const rows = {
    state: problems.length === 0 ? "whole" : "DAMAGED",
    ...rest,
    damage: rest.damage ?? "none",
    checkpoint: checkpoint === null ? "none" : `${checkpoint.txnid}, ${checkpoint.rowCount} rows`,
  };
  return Object.entries(rows)
    .map(([name, value]) => `${name.padEnd(15)}${String(value)}\n`)
    .join("");
}
