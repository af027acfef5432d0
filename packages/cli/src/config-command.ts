import { explainConfig, formatOrigin, type ExplainedSetting } from "@quorate/node";
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
  const { config, settings } = explainConfig(configSources(args, io.env));
  const { nodeId, role, voters, warnings } = config;
  if (args.action === "check") {
    if (args.json) printJson(io, { ok: true, nodeId, role, voters, warnings });
    else io.out(`node ${nodeId} is a ${role}; the voters are ${voters.join(", ")}\n`);
  } else if (args.json) {
    printJson(io, { settings: settings.map(printable), warnings });
  } else {
    io.out(tableOf(settings));
  }
  // Beside the answer, so that it can be piped.
  if (!args.json) for (const warning of warnings) io.err(`warning: ${warning}\n`);
  return ExitCode.done;
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
