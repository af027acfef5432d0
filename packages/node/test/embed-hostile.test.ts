import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger, type CustomState, type LogEntryMsg } from "@quorate/protocol";
import { embed, embedEnsemble, type EmbeddedNode, type EmbedParts } from "../src/index.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const string = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const ASK = 60;
const WRITE = 70;
const READ = 71;

let dataDir = "";
let nodes: EmbeddedNode[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "quorate-hostile-"));
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  rmSync(dataDir, { recursive: true, force: true });
});

async function one(parts: EmbedParts = {}): Promise<EmbeddedNode> {
  const node = await embed({ dataDir }, parts);
  nodes.push(node);
  await node.ready();
  return node;
}

/** A program without types: anything may stand in the place of anything. */
function stateWith(own: Readonly<Record<string, unknown>>): EmbedParts {
  const state = {
    writes: [WRITE],
    reads: [READ],
    apply: () => text("ok"),
    save: () => text(""),
    load: () => undefined,
    ...own,
  };
  return { createCustomState: () => state };
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "nothing failed",
    (error: unknown) => error,
  );

describe("embed refuses, and then its directory is free:", () => {
  const boom = (): never => {
    throw new Error("boom");
  };
  it.each<[string, EmbedParts, string]>([
    ["a state that cannot be made", { createCustomState: boom }, "boom"],
    ["no state at all", { createCustomState: () => null as unknown as CustomState }, "writes"],
    ["codes that are not its own", stateWith({ writes: [7] }), "operation 7"],
    ["a state that cannot be emptied", stateWith({ load: boom }), "ERR_SERVER_CUSTOM_STATE"],
    ["a host that cannot be opened", { openHost: boom }, "boom"],
    ["a host that is refused", { openHost: () => Promise.reject(new Error("boom")) }, "boom"],
  ])("%s", async (_, parts, what) => {
    const error = await failure(embed({ dataDir }, parts));
    expect(`${(error as { code?: string }).code ?? ""} ${String(error)}`).toContain(what);
    await one();
  });

  it("an ensemble whose second node gets no parts", async () => {
    const parts = (nodeId: number): EmbedParts => (nodeId === 2 ? boom() : {});
    await expect(embedEnsemble(3, { dataDir }, parts)).rejects.toThrow("boom");
  });

  it.each([0, -1, 1.5, Number.NaN, 51, "3"])("an ensemble of %s nodes", async (count) => {
    const { code } = (await failure(embedEnsemble(count as number, { dataDir }))) as {
      code?: string;
    };
    expect(code).toBe("ERR_CONFIG_VALUE");
  });

  it.each([[undefined], [null], [5], ["data"], [[]]])("settings that are %s", async (settings) => {
    const error = await failure(embed(settings as unknown as { dataDir: string }));
    expect(error).toMatchObject({
      code: "ERR_CONFIG_VALUE",
      message: "the settings must be an object, as { dataDir }",
    });
  });

  it("operations that have two meanings, or none", async () => {
    const handler = (): Uint8Array => text("");
    const refused = async (parts: EmbedParts): Promise<unknown> =>
      failure(embed({ dataDir }, parts));
    expect(await refused({ ...stateWith({}), handlers: { [WRITE]: handler } })).toMatchObject({
      code: "ERR_CONFIG_VALUE",
      message: `operation ${WRITE} has a handler and is one of the custom state's`,
    });
    const twice = { 60: handler, "060": handler } as Readonly<Record<number, () => Uint8Array>>;
    expect(await refused({ handlers: twice })).toMatchObject({
      message: "handlers: 060 is not in 51..255",
    });
    const none = { 60: "x" as unknown as () => Uint8Array };
    expect(await refused({ handlers: none })).toMatchObject({
      code: "ERR_CONFIG_VALUE",
      message: "handlers: that of 60 is not a function",
    });
  });
});

describe("a state of the program's own", () => {
  it("that throws ends its node, in order, and again when it starts", async () => {
    const parts = stateWith({
      apply: () => {
        throw new Error("not today");
      },
    });
    const node = await one(parts);
    const call = failure(node.client.custom(WRITE, "", text("")));
    const reason = await node.done;
    expect(reason).toMatchObject({
      kind: "failed",
      error: { code: "ERR_SERVER_CUSTOM_STATE", retryable: false, cause: { message: "not today" } },
    });
    expect(await call).toMatchObject({ code: "ERR_CLIENT_OUTCOME_UNKNOWN" });
    await node.close();
    // The entry is logged; whether its commit mark is, too, decides when it is met again.
    const again = await embed({ dataDir }, parts).then(
      ({ done }) => done,
      (error: unknown) => ({ kind: "failed", error }),
    );
    expect(again).toMatchObject({ kind: "failed", error: { code: "ERR_SERVER_CUSTOM_STATE" } });
    // Mended, it goes on.
    const mended = await one(stateWith({}));
    expect(string(await mended.client.custom(WRITE, "", text("")))).toBe("ok");
  });

  it.each([
    ["nothing", undefined, "must return a Uint8Array, not a value of type undefined"],
    ["text", "x", "must return a Uint8Array, not a value of type string"],
    ["null", null, "must return a Uint8Array, not null"],
    [
      "a promise",
      Promise.resolve(text("x")),
      "must return a Uint8Array, not a value of type object",
    ],
    ["too much", new Uint8Array(2 ** 21), "returned too large an answer"],
  ])("that answers %s says so to whoever asked, and goes on", async (_, answer, what) => {
    let sum = 0;
    const { client } = await one(
      stateWith({
        apply: () => {
          sum += 1;
          return answer;
        },
      }),
    );
    expect(await failure(client.custom(WRITE, "", text("")))).toMatchObject({
      code: "ERR_SERVER_CUSTOM_FAILED",
      message: `operation ${WRITE} took effect, but its apply ${what}`,
    });
    expect(sum).toBe(1);
    await client.create("/goes-on");
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("not now");
      },
      "not now",
    ],
    ["gives no answer", () => "x", `the read of operation ${READ} must return { ok, content }`],
    ["gives text", () => ({ ok: true, content: "x" }), "must return a Uint8Array"],
  ])("whose read %s answers with an error", async (_, read, what) => {
    const { client } = await one(stateWith({ read }));
    const error = await failure(client.custom(READ, "", text("")));
    expect(error).toMatchObject({ code: "ERR_SERVER_CUSTOM_FAILED" });
    expect(String(error)).toContain(what);
  });

  it("changes neither the log nor the caller by what it does to bytes, nor does the caller", async () => {
    const kept: Uint8Array[] = [];
    const answers = text("answer");
    const parts = stateWith({
      apply: ({ content }: LogEntryMsg) => {
        kept.push(content.slice());
        content.fill(0);
        return answers;
      },
      read: () => ({ ok: true, content: answers }),
    });
    const node = await one(parts);
    const mine = text("mine");
    (await node.client.custom(WRITE, "", mine)).fill(0);
    (await node.client.custom(READ, "", mine)).fill(0);
    expect([string(mine), string(answers)]).toEqual(["mine", "answer"]);
    await node.close();
    // From the log again.
    await one(parts);
    expect(kept.map(string)).toEqual(["mine", "mine"]);
  });
});

describe("a handler", () => {
  it("changes nothing of the caller's by what it does to bytes, nor the other way round", async () => {
    const answers = text("answer");
    const handlers = {
      [ASK]: ({ content }: { content: Uint8Array }): Uint8Array => {
        content.fill(0);
        return answers;
      },
    };
    const { client } = await one({ handlers });
    const mine = text("mine");
    (await client.custom(ASK, "", mine)).fill(0);
    expect([string(mine), string(answers)]).toEqual(["mine", "answer"]);
  });

  it("that never answers does not keep its node from closing", async () => {
    const node = await one({ handlers: { [ASK]: () => new Promise(() => undefined) } });
    const call = failure(node.client.custom(ASK, "", text("")));
    const read = failure(node.client.get("/none"));
    await node.close();
    expect(await call).toMatchObject({ code: "ERR_CLIENT_OUTCOME_UNKNOWN" });
    expect(await read).toBeInstanceOf(Error);
  });
});

it("leaves nothing that keeps its process from ending, closed or failed half-way", async () => {
  const file = fileURLToPath(new URL("embed-ends.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    ["--conditions=@quorate/source", "--import", "tsx", file, dataDir],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let out = "";
  child.stdout.on("data", (chunk) => void (out += String(chunk)));
  const overdue = setTimeout(() => child.kill("SIGKILL"), 15_000);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(overdue);
  expect({ code, signal, out }).toEqual({
    code: 0,
    signal: null,
    out: "closed\nno state: boom\nno host: boom\nno parts: boom\nno port: ERR_SERVER_PORT_IN_USE\n",
  });
});

it("a logger that does not close is not waited for", async () => {
  const logger = { ...silentLogger, close: () => new Promise<void>(() => undefined) };
  const node = await one({ logger });
  await node.close();
  expect(await node.done).toEqual({ kind: "stopped" });
});
