import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SaslClient } from "../support/sasl-client.js";
import { others, startEnsemble, until } from "./support.js";

const NO_AUTH = -102;
const AUTH_FAILED = -115;
const AUTH_REQUIRED = -124;

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-sasl-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

/** Settings with users in a file that only its owner reads, as an operator writes it. */
function withUsers(zookeeper: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const saslPasswordsFile = join(directory, "users.json");
  const users = { bob: "secret", eve: "other", jürgen: "grün", super: "adminsecret" };
  writeFileSync(saslPasswordsFile, JSON.stringify(users), { mode: 0o600 });
  return { zookeeper: { saslPasswordsFile, ...zookeeper } };
}

async function loggedIn(server: string, user: string, password: string): Promise<SaslClient> {
  const client = await SaslClient.connect(server);
  expect(await client.logIn(user, password)).toBe(0);
  return client;
}

it("a user of SASL has what is its own at every node, also behind the leader's death", async () => {
  await using started = await startEnsemble({ config: withUsers() });
  const { ensemble, leader } = started;
  const [first = 0, second = 0] = others(ensemble, leader);
  await using bob = await loggedIn(ensemble.serverOf(leader), "bob", "secret");
  expect(await bob.whoAmI()).toContain("bob");
  expect(await bob.createFor("bob", "/bob")).toBe(0);
  expect(await bob.createFor("jürgen", "/other")).toBe(0);
  expect(await bob.read("/other")).toBe(NO_AUTH);

  await ensemble.kill("SIGKILL", leader);
  await ensemble.untilReady([first, second]);
  await using again = await loggedIn(ensemble.serverOf(first), "bob", "secret");
  await until("what bob made", async () => (await again.read("/bob")) === 0);
  await using other = await loggedIn(ensemble.serverOf(second), "jürgen", "grün");
  await until("what is of another", async () => (await other.read("/other")) === 0);
  expect(await other.read("/bob")).toBe(NO_AUTH);
  await using admin = await loggedIn(ensemble.serverOf(second), "super", "adminsecret");
  expect(await admin.read("/bob")).toBe(0);
  await using nobody = await SaslClient.connect(ensemble.serverOf(first));
  expect(await nobody.read("/bob")).toBe(NO_AUTH);
});

it.each([
  ["may still come", {}, AUTH_FAILED, NO_AUTH],
  ["must log in", { requiredSchemes: ["sasl"] }, AUTH_REQUIRED, AUTH_REQUIRED],
])("where clients %s, who fails is told and closed", async (_name, zookeeper, failed, without) => {
  await using started = await startEnsemble({ count: 1, config: withUsers(zookeeper) });
  const [server = ""] = started.ensemble.servers;
  await using bob = await loggedIn(server, "bob", "secret");
  expect(await bob.createFor("bob", "/bob")).toBe(0);
  for (const [user, password] of [
    ["bob", "Secret"],
    ["nobody", "secret"],
    ["eve", "secret"],
  ] as const) {
    await using wrong = await SaslClient.connect(server);
    expect(await wrong.logIn(user, password)).toBe(failed);
    expect(await wrong.read("/bob")).toBeUndefined();
  }
  await using nobody = await SaslClient.connect(server);
  expect(await nobody.read("/bob")).toBe(without);
  expect(await bob.read("/bob")).toBe(0);
});
