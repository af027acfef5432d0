import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build, type BuildResult } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { makeTxnid } from "@quorate/protocol";
import * as browserEntry from "../src/browser.js";
import * as nodeEntry from "../src/index.js";
import { FakeEndpoint, until } from "./fake-endpoint.js";

/** What docs/clients.md states; a page should not pay more for the client than for its pictures. */
const MINIFIED_BYTES_MAX = 79 * 1024;
const GZIPPED_BYTES_MAX = 29 * 1024;

let bundle: BuildResult<{ write: false; metafile: true }>;
let code = "";

beforeAll(async () => {
  bundle = await build({
    stdin: {
      contents: 'export * from "@quorate/client";',
      resolveDir: fileURLToPath(new URL("../../cli", import.meta.url)),
    },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "iife",
    globalName: "quorate",
    conditions: ["@quorate/source"],
    target: "es2022",
  });
  code = bundle.outputFiles[0]?.text ?? "";
});

describe("the client in a browser", () => {
  it("is small: as much as the documentation says and no more", () => {
    const sizes = { minified: code.length, gzipped: gzipSync(code).length };
    expect(sizes.minified).toBeLessThan(MINIFIED_BYTES_MAX);
    expect(sizes.gzipped).toBeLessThan(GZIPPED_BYTES_MAX);
    // A bound far above what it bounds finds nothing.
    expect(sizes.minified).toBeGreaterThan(MINIFIED_BYTES_MAX * 0.8);
    expect(sizes.gzipped).toBeGreaterThan(GZIPPED_BYTES_MAX * 0.8);
  });

  it("has nothing of Node in it, and no code of the server's tree", () => {
    const [output] = Object.values(bundle.metafile.outputs);
    const inputs = Object.entries(output?.inputs ?? {})
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => path);
    expect(inputs.filter((path) => /\/ws\/|node:|znode-machine|datagram/.test(path))).toEqual([]);
    expect(inputs.some((path) => path.endsWith("client/src/browser-client.ts"))).toBe(true);
    expect(bundle.warnings).toEqual([]);
  });

  it("gives a page the same names as a program", () => {
    expect(Object.keys(browserEntry).sort()).toEqual(Object.keys(nodeEntry).sort());
  });

  it("writes, reads and subscribes with what a page has", async () => {
    await using server = await FakeEndpoint.open(({ content }) => content);
    // A page's globals, and no others; the socket stands in for the browser's own.
    const page = createContext({
      WebSocket,
      TextEncoder,
      TextDecoder,
      AbortController,
      URL,
      performance,
      setTimeout,
      clearTimeout,
      Uint8Array,
      ArrayBuffer,
      url: server.url,
    });
    runInContext(`${code}; globalThis.client = quorate.createClient({ servers: [url] });`, page);
    const run = (text: string): Promise<unknown> => runInContext(text, page) as Promise<unknown>;
    await run(`client.broadcast("key", new Uint8Array([1, 2]))`);
    expect(server.requests[0]).toMatchObject({ op: 7, key: "key" });
    const next = run(`client.subscribe({ prefix: "/a" }).next()`);
    await until(() => server.subscriptions.length === 1);
    const txnid = makeTxnid(9, 1);
    server.lastSubscription.send(txnid, [{ txnid, operations: [{ kind: "delete", path: "/a" }] }]);
    expect(await next).toMatchObject({ value: { txnid, operations: [{ path: "/a" }] } });
    await run(`client.close()`);
  });
});
