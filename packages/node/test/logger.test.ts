import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { QuorateError, toTxnid } from "@quorate/protocol";
import { REPEAT_WINDOW_MS, REPEATS_MAX } from "../src/log/repeat-limiter.js";
import { createWinstonLogger, type LoggerOptions } from "../src/log/winston-logger.js";

class Sink extends Writable {
  readonly isTTY: boolean;
  text = "";

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  get lines(): string[] {
    return this.text.split("\n").filter((line) => line !== "");
  }
}

function setUp(options: Partial<LoggerOptions> = {}, isTTY = false) {
  const sink = new Sink(isTTY);
  const time = { now: 0 };
  const logger = createWinstonLogger(
    { level: "info", format: "auto", ...options },
    { clock: { now: () => time.now }, stream: sink },
  );
  const json = (): Record<string, unknown>[] =>
    sink.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { sink, time, logger, json };
}

describe("the logger", () => {
  it("writes JSON lines where nobody looks", async () => {
    const { logger, json } = setUp();
    logger.child({ component: "election", node: 2 }).info("elected leader", { leader: 3 });
    await logger.close();
    expect(json()).toEqual([
      {
        time: expect.any(String) as string,
        level: "info",
        message: "elected leader",
        component: "election",
        node: 2,
        leader: 3,
      },
    ]);
  });

  it("writes for people on a terminal", async () => {
    const { logger, sink } = setUp({}, true);
    logger.warn("lost a peer", { peer: 2, why: "it is gone" });
    await logger.close();

    const plain = sink.text.replace(/\u001b\[\d+m/g, "");
    expect(plain).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}lost a peer peer=2 why="it is gone"\n$/);
  });

  it("prints neither secrets nor what clients store", async () => {
    const { logger, sink, json } = setUp();
    logger.info("a request", {
      secret: "hunter2",
      peer: { clientToken: "hunter2" },
      content: new TextEncoder().encode("hunter2"),
      request: { data: "hunter2", bytes: new Uint8Array(3) },
    });
    await logger.close();
    expect(sink.text).not.toContain("hunter2");
    expect(json()[0]).toMatchObject({
      secret: "[redacted]",
      peer: { clientToken: "[redacted]" },
      content: "[7 bytes]",
      request: { data: "[7 characters]", bytes: "[3 bytes]" },
    });
  });

  it("prints txnids as such and errors by code, with their causes", async () => {
    const { logger, json } = setUp();
    const cause = new Error("the bottom");
    logger.error(
      "it failed",
      { lastLogged: { txnid: toTxnid((7n << 32n) | 12n), chain: 255n } },
      new QuorateError("ERR_STORE_IO", "no", { cause, details: { secret: "hunter2" } }),
    );
    await logger.close();
    expect(json()[0]).toMatchObject({
      lastLogged: { txnid: "e7:12", chain: "00000000000000ff" },
      error: {
        code: "ERR_STORE_IO",
        details: { secret: "[redacted]" },
        cause: { message: "the bottom" },
      },
    });
  });

  it("keeps data from posing as level or message", async () => {
    const { logger, json } = setUp();
    logger.info("a message", { level: "fake", message: "fake" });
    await logger.close();
    expect(json()[0]).toMatchObject({ level: "info", message: "a message", level_: "fake" });
  });

  it("stays below its level", async () => {
    const { logger, sink } = setUp({ level: "warn" });
    logger.info("quiet");
    logger.debug("quieter");
    await logger.close();
    expect(sink.text).toBe("");
  });

  it("swallows repeats and tells how many, when the window ends and when it closes", async () => {
    const { logger, json, time } = setUp();
    for (let i = 0; i < REPEATS_MAX + 5; i += 1) logger.warn("cannot reach a peer");
    logger.warn("another line");
    time.now = REPEAT_WINDOW_MS;
    for (let i = 0; i < REPEATS_MAX + 2; i += 1) logger.warn("cannot reach a peer");
    await logger.close();
    const same = json().filter((line) => line["message"] === "cannot reach a peer");
    expect(same).toHaveLength(2 * REPEATS_MAX);
    expect(same[REPEATS_MAX]).toMatchObject({ repeated: 5 });
    expect(json().at(-1)).toMatchObject({ message: "lines were swallowed", suppressed: 2 });
  });

  it("counts the repeats of each component by itself", async () => {
    const { logger, json } = setUp();
    for (const peer of [1, 2]) {
      const child = logger.child({ peer });
      for (let i = 0; i < REPEATS_MAX; i += 1) child.warn("cannot reach it");
    }
    await logger.close();
    expect(json()).toHaveLength(2 * REPEATS_MAX);
  });
});
