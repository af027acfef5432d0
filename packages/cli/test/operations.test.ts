import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { loadConfig, parseAddress } from "@quorate/node";
import { describeCommands } from "../src/command-line.js";
import { SERVER_ENVIRONMENT, SERVER_NODE_FLAGS } from "../src/local-ensemble.js";
import { ExitCode } from "../src/index.js";
import { startMemoryNode, TestIo } from "./memory-node.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const operations = join(root, "docs/operations");
const directory = mkdtempSync(join(tmpdir(), "quorate-operations-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const read = (...path: string[]): string => readFileSync(join(...path), "utf8");
const commands = describeCommands(new TestIo());

/** What is wrong with a command line of ours; empty when nothing is. */
function mistakesOf(line: string): string[] {
  const [name = "", ...words] = line.split(/\s+/);
  const command = commands.find((one) => one.name === name);
  if (command === undefined) return [`${line}: there is no ${name}`];
  const known = command.options.map((option) => `--${option.name}`);
  const mistakes = words
    .filter((word) => word.startsWith("--") && !known.includes(word.split("=")[0] ?? ""))
    .map((word) => `${line}: ${name} has no ${word}`);
  const [choice, first] = [command.positionals[0]?.choices ?? [], words[0] ?? ""];
  if (choice.length > 0 && !choice.includes(first)) mistakes.push(`${line}: no ${first}`);
  return mistakes;
}

function linesOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```(?:sh|text)\n([^]*?)^```/gm)].map(
    ([, block]) => block ?? "",
  );
  return blocks
    .flatMap((block) => block.split("\n"))
    .map((line) => /^(?:sudo )?quorate ([a-z].*?)(?: +#.*)?$/.exec(line)?.[1] ?? "")
    .filter((line) => line !== "");
}

describe("the documents", () => {
  const pages = ["README.md", ...["docs", "docs/operations"].flatMap(pagesOf)];

  function pagesOf(folder: string): string[] {
    return readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}/${name}`);
  }

  it("show only commands and options that exist", () => {
    const lines = pages.flatMap((page) => linesOf(read(root, page)));
    expect(lines.length).toBeGreaterThan(15);
    expect(lines.flatMap(mistakesOf)).toEqual([]);
  });

  it("are held to that: an unknown command, option or choice is found", () => {
    const wrong = linesOf(
      "```sh\nsudo quorate frob\nquorate status --frob # x\nquorate log frob\n```",
    );
    expect(wrong.flatMap(mistakesOf)).toHaveLength(3);
  });

  it("say of the runbook's messages what the sources say", () => {
    const runbook = read(operations, "runbook.md");
    const sources = [
      ["no vote arrives from any other node", "packages/node/src/ballot-silence.ts"],
      ["the disk is full; this node is not ready", "packages/server/src"],
      ["to found the ensemble", "packages/cli/src/status-table.ts"],
    ] as const;
    for (const [message, place] of sources) {
      expect(runbook).toContain(message);
      const found = spawnSync("grep", ["-rqF", message, join(root, place)]).status;
      expect(found, `${message} in ${place}`).toBe(0);
    }
  });
});

/** The configuration under another secret's file, which the test can read. */
function configOf(text: string, nodeId: number) {
  const file = join(directory, "node.json");
  const secretFile = join(directory, "secret");
  writeFileSync(file, text);
  writeFileSync(secretFile, "sixteen letters!", { mode: 0o600 });
  return loadConfig({ file, flags: { nodeId, secretFile } });
}

it("runs servers in the unit, the container and the benchmarks as `quorate start` does", () => {
  const texts = ["docs/operations/quorate.service", "docs/operations/Containerfile"];
  for (const text of [...texts, "scripts/lib/tools.mjs"].map((file) => read(root, file))) {
    for (const flag of SERVER_NODE_FLAGS) expect(text).toContain(flag);
    for (const [name, value] of Object.entries(SERVER_ENVIRONMENT)) {
      expect(text).toMatch(new RegExp(`${name} ?(\\?\\?)?= ?"?${value}`));
    }
  }
});

describe("the systemd unit", () => {
  const unit = read(operations, "quorate.service");

  it.runIf(spawnSync("systemd-analyze", ["--version"]).status === 0)("is one to systemd", () => {
    const file = join(directory, "quorate.service");
    // The program need not be installed where this runs.
    writeFileSync(file, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const result = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    expect([result.status, result.stderr]).toEqual([0, ""]);
  });

  it("starts a command that exists and is not restarted where that mends nothing", () => {
    const [, line = ""] = /^ExecStart=\S+ \S+ \S+main\.js (.*)$/m.exec(unit) ?? [];
    expect(mistakesOf(line)).toEqual([]);
    const [, codes = ""] = /^RestartPreventExitStatus=(.*)$/m.exec(unit) ?? [];
    expect(codes.split(" ").map(Number)).toEqual([ExitCode.usage, ExitCode.internal]);
  });

  it("runs a configuration that is taken, on all nodes", () => {
    for (const id of [1, 2, 3]) {
      const config = configOf(read(operations, "node.json"), id);
      expect(config).toMatchObject({ nodeId: id, voters: [1, 2, 3], warnings: [] });
    }
  });
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

describe("the Kubernetes manifest", () => {
  const documents = parseAllDocuments(read(operations, "kubernetes.yaml"), { uniqueKeys: true });
  const manifests = documents.map((document) => document.toJS() as Manifest);
  const one = (kind: string, name: string): Manifest =>
    manifests.find((found) => found.kind === kind && found.metadata.name === name) ?? {
      kind: "none",
      metadata: { name: "none" },
    };
  const set = one("StatefulSet", "quorate").spec as {
    readonly serviceName: string;
    readonly replicas: number;
    readonly ordinals: { readonly start: number };
    readonly podManagementPolicy: string;
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly {
          readonly command: readonly string[];
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
          readonly livenessProbe: { readonly httpGet: { readonly path: string } };
          readonly readinessProbe: { readonly httpGet: { readonly path: string } };
        }[];
      };
    };
  };
  const [container] = set.template.spec.containers;
  const ids = Array.from({ length: set.replicas }, (_, i) => set.ordinals.start + i);
  const json = one("ConfigMap", "quorate").data?.["node.json"] ?? "";

  it("is YAML without a mistake", () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
    expect(manifests.map(({ kind }) => kind).sort()).toEqual(
      ["ConfigMap", "PodDisruptionBudget", "Service", "Service", "StatefulSet"].sort(),
    );
  });

  it("runs a configuration that is taken, for each of its pods and by its name", () => {
    for (const id of ids) {
      const config = configOf(json, id);
      expect(config.voters).toEqual(ids);
      const own = config.members.find((member) => member.id === id);
      expect(own?.message.host).toBe(`quorate-${id}.${set.serviceName}`);
      expect(config.allowedHosts).toContain(own?.request.host);
      expect(config.dataDir.startsWith("/data/")).toBe(true);
    }
  });

  it("opens the ports that the nodes bind, ballots as UDP", () => {
    const { host } = JSON.parse(json) as { host: Record<string, string> };
    const port = (key: string): number => parseAddress(host[key] ?? "", key).port;
    const expected = [
      { name: "clients", number: port("requestAddr"), protocol: "TCP" },
      { name: "nodes", number: port("messageAddr"), protocol: "TCP" },
      { name: "ballots", number: port("electionAddr"), protocol: "UDP" },
    ];
    expect(container?.ports).toEqual(
      expected.map(({ name, number, protocol }) => ({ name, containerPort: number, protocol })),
    );
    expect(one("Service", "quorate-nodes").spec).toMatchObject({
      clusterIP: "None",
      publishNotReadyAddresses: true,
      ports: expected.map(({ name, number, protocol }) => ({ name, port: number, protocol })),
    });
  });

  it("asks for what a node answers, and starts all at once", async () => {
    await using node = await startMemoryNode();
    for (const probe of [container?.livenessProbe, container?.readinessProbe]) {
      const response = await fetch(`http://${node.url}${probe?.httpGet.path ?? "/none"}`);
      expect(response.status).toBe(200);
    }
    expect(set.podManagementPolicy).toBe("Parallel");
    const line = container?.command.at(-1) ?? "";
    expect(line).toMatch(/^exec quorate server .*--node-id "\$\{HOSTNAME##\*-\}"$/);
    expect(mistakesOf(line.replace("exec quorate ", ""))).toEqual([]);
    const id = execFileSync("sh", ["-c", 'echo "${HOSTNAME##*-}"'], {
      env: { HOSTNAME: "quorate-3" },
      encoding: "utf8",
    });
    expect(id).toBe("3\n");
  });
});

describe("the Containerfile", () => {
  const text = read(operations, "Containerfile");

  it("runs scripts that exist, and starts a command that exists", () => {
    const { scripts } = JSON.parse(read(root, "package.json")) as {
      scripts: Record<string, string>;
    };
    const built = [...text.matchAll(/pnpm@10 (\w+)/g)].map(([, name]) => name ?? "");
    for (const name of built) expect(["install", ...Object.keys(scripts)]).toContain(name);
    expect(built).toContain("build");
    const cmd = JSON.parse(/^CMD (\[.*\])$/m.exec(text)?.[1] ?? "[]") as string[];
    expect(mistakesOf(cmd.join(" "))).toEqual([]);
  });

  it("exposes the ports of the configuration beside it", () => {
    const { host } = configOf(read(operations, "node.json"), 1);
    const expected = [`${host.request.port}/tcp`, `${host.message.port}/tcp`];
    expect(/^EXPOSE (.*)$/m.exec(text)?.[1]?.split(" ")).toEqual([
      ...expected,
      `${host.election.port}/udp`,
    ]);
  });
});
