import { existsSync } from "node:fs";
import { createClient, formatTxnid } from "@quorate/client";
import { freePorts } from "@quorate/testkit/processes";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exampleFile, LineProcess, others, startEnsemble, TYPESCRIPT, until } from "./support.js";

const CHROMIUM = process.env["QUORATE_CHROMIUM"] ?? "/usr/bin/chromium";
/** Where CI is said to be true, a missing browser is a failure. */
const isSkipped = !existsSync(CHROMIUM) && process.env["CI"] !== "true";
const PREFIX = "/demo";
/** Fewer than the chart shows at a time. */
const VALUES = 40;
const WAIT_MS = 20_000;

if (isSkipped) {
  console.warn(
    `\n*** SKIPPED: no browser at ${CHROMIUM}. Nothing shows that the client works in a page.\n` +
      "*** Install Debian's package chromium, or name another one in QUORATE_CHROMIUM.\n",
  );
}

/** What the page has drawn, from the left to the right. */
interface Drawn {
  readonly txnid: string;
  readonly value: number;
  readonly x: number;
  readonly y: number;
}

function drawnOn(page: Page): Promise<readonly Drawn[]> {
  return page.$$eval("#chart circle", (dots) =>
    dots.map((dot) => ({
      txnid: dot.getAttribute("data-txnid") ?? "",
      value: Number(dot.getAttribute("data-value")),
      x: Number(dot.getAttribute("cx")),
      y: Number(dot.getAttribute("cy")),
    })),
  );
}

async function untilDrawn(page: Page, count: number): Promise<readonly Drawn[]> {
  const dot = page.locator("#chart circle").nth(count - 1);
  await dot.waitFor({ state: "attached", timeout: WAIT_MS });
  return drawnOn(page);
}

/** Serves the example's page; the ports are free ones, so that origins are known beforehand. */
async function serve(port: number, servers: readonly string[]): Promise<LineProcess> {
  const file = exampleFile("browser/server.ts");
  const server = new LineProcess([...TYPESCRIPT, file, String(port), servers.join(), PREFIX]);
  await until("the page's server", () => server.lines.length > 0);
  return server;
}

describe.skipIf(isSkipped)("a page in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  });
  afterAll(() => browser?.close());

  it("draws each committed value once, in order, across the death of its leader", async () => {
    const [port = 0, foreignPort = 0] = await freePorts(2);
    const allowedOrigins = [`http://127.0.0.1:${port}`];
    await using started = await startEnsemble({ config: { allowedOrigins } });
    const { ensemble, leader } = started;
    const rest = others(ensemble, leader);
    const servers = [leader, ...rest].map((id) => ensemble.serverOf(id));
    await using site = await serve(port, servers);
    await using foreign = await serve(foreignPort, servers);
    const client = createClient({ servers: servers.slice(1) });
    await client.create(PREFIX);

    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    // The client begins anywhere in its list; here at the first, which is the leader.
    await page.addInitScript("Math.random = () => 0;");
    await page.goto(site.lines[0] ?? "");
    await page.locator("#txnid", { hasText: /^e/ }).waitFor({ timeout: WAIT_MS });
    expect(await page.textContent("#state")).toBe(`connected to ${servers[0]}`);
    const stranger = await browser.newPage();
    await stranger.goto(foreign.lines[0] ?? "");

    const written: { value: number; txnid: string }[] = [];
    const write = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) {
        // Up and down, so that neither order nor heights can be right by accident.
        const value = 20 + ((written.length * 7) % 13) - written.length / 4;
        const { txnid } = await client.set(PREFIX, new TextEncoder().encode(String(value)));
        written.push({ value, txnid: formatTxnid(txnid) });
      }
    };
    await write(VALUES / 2);
    await untilDrawn(page, VALUES / 2);
    await ensemble.kill("SIGKILL", leader);
    await ensemble.untilReady(rest);
    await write(VALUES / 2);
    client.close();

    const drawn = await untilDrawn(page, VALUES);
    expect(drawn.map(({ value, txnid }) => ({ value, txnid }))).toEqual(written);
    for (const [i, { x, y, value }] of drawn.entries()) {
      const before = drawn[i - 1];
      if (before === undefined) continue;
      expect(x).toBeGreaterThan(before.x);
      expect(Math.sign(before.y - y)).toBe(Math.sign(value - before.value));
    }
    const last = written.at(-1);
    expect(await page.textContent("#txnid")).toBe(last?.txnid);
    expect(await page.textContent("#value")).toBe(String(last?.value));
    expect(await page.textContent("#lost")).toBe("1");
    expect(servers.slice(1).map((server) => `connected to ${server}`)).toContain(
      await page.textContent("#state"),
    );
    await using feed = new LineProcess([
      ...TYPESCRIPT,
      exampleFile("browser/feed.ts"),
      servers.join(),
      PREFIX,
    ]);
    const more = await untilDrawn(page, VALUES + 3);
    expect(more[VALUES]?.value, feed.err).toBe(20);
    expect(complaints).toEqual([]);

    // Not one value reaches a page of another origin, although its own site lets it ask.
    await stranger.waitForSelector(`#state[data-state="ended"]`, { timeout: WAIT_MS });
    expect(await stranger.textContent("#state")).toBe("ended: ERR_CLIENT_UNREACHABLE");
    expect(await drawnOn(stranger)).toEqual([]);
    expect(await stranger.textContent("#txnid")).toBe("–");
  });
});
