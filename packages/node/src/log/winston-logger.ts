import { createLogger, format, transports, type Logger as Winston } from "winston";
import type { Clock, LogData, Logger } from "@quorate/protocol";
import { redact } from "./redact.js";
import { RepeatLimiter } from "./repeat-limiter.js";

export interface LoggerOptions {
  readonly level: "error" | "warn" | "info" | "debug";
  /** `auto`: human on a terminal, JSON otherwise. */
  readonly format: "auto" | "human" | "json";
}

export interface LoggerDeps {
  readonly clock: Pick<Clock, "now">;
  /** Where lines go; standard error by default, since standard output belongs to answers. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export interface ClosableLogger extends Logger {
  /** Tells what was swallowed and resolves when all lines have been handed over. */
  close(): Promise<void>;
}

type Level = LoggerOptions["level"];

/** The node's logger, on winston: redacted, rate-limited, human or JSON. */
export function createWinstonLogger(options: LoggerOptions, deps: LoggerDeps): ClosableLogger {
  const stream = deps.stream ?? process.stderr;
  const human = options.format === "human" || (options.format === "auto" && stream.isTTY === true);
  const winston = createLogger({
    level: options.level,
    format: human ? humanFormat(stream.isTTY === true) : jsonFormat(),
    transports: [new transports.Stream({ stream })],
  });
  // Two lines of different levels or components are different kinds of line.
  const limiter = new RepeatLimiter(() => deps.clock.now());
  const logger = wrap(winston, limiter, {});
  return { ...logger, close: () => closeLogger(winston, limiter) };
}

function wrap(winston: Winston, limiter: RepeatLimiter, bindings: LogData): Logger {
  const scope = Object.values(bindings).map(String).join(" ");
  const log = (level: Level, message: string, data?: LogData, error?: unknown): void => {
    if (!winston.isLevelEnabled(level)) return;
    // Debug is switched on by someone who wants every line.
    const verdict =
      level === "debug"
        ? { print: true as const, suppressed: 0 }
        : limiter.judge(`${level} ${scope} ${message}`);
    if (!verdict.print) return;
    winston.log({
      level,
      message,
      fields: {
        ...(redact(bindings) as LogData),
        ...(data === undefined ? {} : (redact(data) as LogData)),
        ...(error === undefined ? {} : { error: redact(error) }),
        ...(verdict.suppressed === 0 ? {} : { repeated: verdict.suppressed }),
      },
    });
  };
  return {
    error: (message, data, error) => log("error", message, data, error),
    warn: (message, data, error) => log("warn", message, data, error),
    info: (message, data) => log("info", message, data),
    debug: (message, data) => log("debug", message, data),
    child: (more) => wrap(winston, limiter, { ...bindings, ...more }),
  };
}

async function closeLogger(winston: Winston, limiter: RepeatLimiter): Promise<void> {
  for (const { key, suppressed } of limiter.drain()) {
    winston.log({ level: "info", message: "lines were swallowed", fields: { key, suppressed } });
  }
  await new Promise<void>((resolve) => {
    winston.once("finish", resolve);
    winston.end();
  });
}

/** The reserved names come first and win over data of the same name. */
function jsonFormat(): ReturnType<typeof format.printf> {
  return format.printf((info) =>
    JSON.stringify({
      time: new Date().toISOString(),
      level: info.level,
      message: info.message,
      ...without(info["fields"], ["time", "level", "message"]),
    }),
  );
}

function without(fields: unknown, names: readonly string[]): Record<string, unknown> {
  const entries = Object.entries((fields ?? {}) as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([name, value]) => [names.includes(name) ? `${name}_` : name, value]),
  );
}

const COLOURS: Readonly<Record<string, number>> = { error: 31, warn: 33, info: 32, debug: 36 };

function humanFormat(colour: boolean): ReturnType<typeof format.printf> {
  const paint = (text: string, code: number): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  return format.printf((info) => {
    const time = new Date().toISOString().slice(11, 23);
    const level = paint(info.level.padEnd(5), COLOURS[info.level] ?? 0);
    const fields = Object.entries((info["fields"] ?? {}) as Record<string, unknown>)
      .map(([name, value]) => `${paint(`${name}=`, 2)}${humanValue(value)}`)
      .join(" ");
    return `${time} ${level} ${String(info.message)}${fields === "" ? "" : ` ${fields}`}`;
  });
}

function humanValue(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  return JSON.stringify(value) ?? "undefined";
}
