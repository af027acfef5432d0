import {
  explainConfig,
  explainGiven,
  formatOrigin,
  type ExplainedConfig,
  type ExplainedSetting,
} from "@quorate/node";
import { printJson } from "./client-commands.js";
import { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { configSources, type ServerValues } from "./server-options.js";

export type ConfigArgs = ServerValues & {
  readonly action: "check" | "explain";
  readonly json: boolean;
};

/**
 * `quorate config`: what `quorate server` would make of the same options, files and environment.
 * `check` tells whether a node would take it, `explain` prints it. Nothing is started or changed.
 */
export function configCommand(args: ConfigArgs, io: Io): ExitCode {
  const { config, settings } = args.action === "check" ? read(args, io) : readOrShow(args, io);
  const { nodeId, role, voters, warnings } = config;
  if (args.action === "check") {
    if (args.json) printJson(io, { ok: true, nodeId, role, voters, warnings });
    else io.out(`node ${nodeId} is a ${role}; the voters are ${voters.join(", ")}\n`);
  } else {
    printSettings(args, settings, warnings, io);
  }
  // Beside the answer, so that it can be piped.
  if (!args.json) for (const warning of warnings) io.err(`warning: ${warning}\n`);
  return ExitCode.done;
}

function read(args: ConfigArgs, io: Io): ExplainedConfig {
  return explainConfig(configSources(args, io.env));
}

/** Whoever made a mistake wants to see what was given, and where, before it. */
function readOrShow(args: ConfigArgs, io: Io): ExplainedConfig {
  const given = explainGiven(configSources(args, io.env));
  try {
    return read(args, io);
  } catch (error) {
    printSettings(args, given, [], io);
    throw error;
  }
}

function printSettings(
  { json }: ConfigArgs,
  settings: readonly ExplainedSetting[],
  warnings: readonly string[],
  io: Io,
): void {
  if (json) printJson(io, { settings: settings.map(printable), warnings });
  else io.out(tableOf(settings));
}

function printable({ key, value, origin }: ExplainedSetting): Record<string, unknown> {
  return { key, value, from: formatOrigin(origin), origin };
}

function tableOf(settings: readonly ExplainedSetting[]): string {
  const rows = settings.map(({ key, value, origin }) => [key, textOf(value), formatOrigin(origin)]);
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map(([key = "", value = "", from = ""]) => {
      return `${key.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${from}\n`;
    })
    .join("");
}

function textOf(value: ExplainedSetting["value"]): string {
  if (value === null) return "none";
  if (typeof value === "object") return value.length === 0 ? "none" : value.join(", ");
  return String(value);
}
