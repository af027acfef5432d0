import { errorCodeOf, QuorateError } from "@quorate/protocol";
import { exitCodeOf, ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";

/** Tells an error on standard error, with its code, and gives the exit code for it. */
export function reportError(io: Io, error: unknown, json: boolean): ExitCode {
  const code = errorCodeOf(error) ?? "ERR_UNEXPECTED";
  const message = error instanceof Error ? error.message : String(error);
  if (json) io.err(`${JSON.stringify({ error: { code, message } })}\n`);
  else io.err(`quorate: ${code}: ${message}\n`);
  // The stack helps only with what nobody foresaw.
  const isForeseen = error instanceof QuorateError;
  if (!isForeseen && error instanceof Error) io.err(`${error.stack ?? ""}\n`);
  return exitCodeOf(error);
}

export function usageError(message: string): QuorateError {
  return new QuorateError("ERR_ARG_VALUE", message);
}

export function reportUsage(io: Io, message: string, command: string): ExitCode {
  io.err(`quorate: ERR_ARG_VALUE: ${message}\nTry: quorate ${command} --help\n`);
  return ExitCode.usage;
}
