export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";
export type LogData = Readonly<Record<string, unknown>>;

/** A constant sentence, data aside, the error last. Never payload content above trace. */
export interface Logger {
  error(message: string, data?: LogData, error?: unknown): void;
  warn(message: string, data?: LogData, error?: unknown): void;
  info(message: string, data?: LogData): void;
  debug(message: string, data?: LogData): void;
  child(bindings: LogData): Logger;
}

const nothing = (): void => undefined;
export const silentLogger: Logger = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  child: () => silentLogger,
};
