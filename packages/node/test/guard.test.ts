import { describe, expect, it } from "vitest";
import { refusalOf } from "../src/native/guard.js";

const options = { allowedHosts: ["Node-1.Example"], allowedOrigins: ["https://good.example"] };

describe("the guard of the native port", () => {
  it.each([
    "localhost",
    "LOCALHOST:4181",
    "127.0.0.1:4181",
    "[::1]:4181",
    "[::1]",
    "node-1.example",
    "NODE-1.example:80",
  ])("lets in who addresses it as %s", (host) => {
    expect(refusalOf({ host }, options)).toBeNull();
  });

  it.each([
    undefined,
    "",
    ":4181",
    "evil.example",
    "evil.example:4181",
    "localhost.evil.example",
    "localhost.",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "evil.example#127.0.0.1",
    "[::1",
    "::1",
    "[evil.example]",
    "[::1]evil.example",
    "127.0.0.1:x",
    "127.0.0.1, evil.example",
    "2130706433",
    "0x7f.1",
    "node-1.example.evil",
  ])("refuses who addresses it as %s", (host) => {
    expect(refusalOf({ host }, options)).toContain("Host");
  });

  it.each([
    "null",
    "",
    "http://localhost",
    "http://good.example",
    "https://good.example.evil",
    "https://good.example:444",
  ])("refuses a page of origin %j, wherever it says it comes from", (origin) => {
    expect(refusalOf({ host: "localhost", origin }, options)).toContain("Origin");
    const sly = { host: "localhost", origin, "sec-fetch-site": "same-origin" };
    expect(refusalOf(sly, options)).toContain("Origin");
  });

  it("refuses what a page of another site loads without telling its origin", () => {
    const ask = (site: string, mode: string, dest: string): string | null =>
      refusalOf(
        {
          host: "127.0.0.1",
          "sec-fetch-site": site,
          "sec-fetch-mode": mode,
          "sec-fetch-dest": dest,
        },
        options,
      );
    expect(ask("cross-site", "no-cors", "script")).toContain("another site");
    expect(ask("same-site", "no-cors", "image")).toContain("another site");
    expect(ask("cross-site", "navigate", "iframe")).toContain("another site");
    expect(ask("cross-site", "navigate", "document")).toBeNull();
    expect(ask("none", "navigate", "document")).toBeNull();
    expect(ask("same-origin", "cors", "empty")).toBeNull();
  });

  it("lets in the page of an origin on the list, from another site as it is", () => {
    const headers = {
      host: "localhost",
      origin: "https://good.example",
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "cors",
    };
    expect(refusalOf(headers, options)).toBeNull();
  });
});
