import { OpCode, type Service } from "@quorate/protocol";
import { expect, test } from "vitest";
import { createContent, readContent, ServiceEnsemble } from "./service-support.js";

/** 10 follows the leader, and 11 follows 10. */
async function tree(): Promise<ServiceEnsemble> {
  const ensemble = await ServiceEnsemble.of(3, { upstreams: { 11: [10] } });
  for (const watcher of [10, 11]) {
    await ensemble.start(watcher);
    await ensemble.clock.until(() => ensemble.allReady());
  }
  return ensemble;
}

const NODES: readonly [string, (ensemble: ServiceEnsemble) => number][] = [
  ["the leader", ({ leaderId }) => leaderId],
  ["a follower", ({ followerId }) => followerId],
  ["a watcher", () => 10],
  ["a watcher that follows another", () => 11],
];

/** Pipelines creates, one after another; as each is answered, reads what the next one makes. */
function pipeline(service: Service, paths: readonly string[]): string[] {
  const seen: string[] = [];
  for (const [index, path] of paths.entries()) {
    const next = paths[index + 1] ?? "/none";
    service.submit(OpCode.add, path, createContent(null), (outcome) => {
      const isThere = service.readNow(OpCode.exists, next, readContent()).ok;
      seen.push(`${path} ${outcome.ok ? "ok" : outcome.error.code} ${next} ${String(isThere)}`);
    });
  }
  return seen;
}

test.each(NODES)(
  "Invariant 8: at %s a refusal is told at its place, also within a batch",
  async (_name, nodeOf) => {
    const ensemble = await tree();
    const service = ensemble.service(nodeOf(ensemble));
    const seen = pipeline(service, ["/a", "/a", "/b", "/b", "/a", "/c"]);
    await ensemble.clock.until(() => seen.length === 6);
    expect(seen).toEqual([
      "/a ok /a true",
      "/a ERR_ZNODE_NODE_EXISTS /b false",
      "/b ok /b true",
      "/b ERR_ZNODE_NODE_EXISTS /a true",
      "/a ERR_ZNODE_NODE_EXISTS /c false",
      "/c ok /none false",
    ]);
    // And where nothing follows it, once it is proven.
    const last = pipeline(service, ["/c"]);
    await ensemble.clock.until(() => last.length === 1);
    expect(last).toEqual(["/c ERR_ZNODE_NODE_EXISTS /none false"]);
  },
);

test("a refusal is told of though others write all the time", async () => {
  const ensemble = await tree();
  const told: string[] = [];
  for (let i = 0; i < 20; i += 1) {
    pipeline(ensemble.service(ensemble.leaderId), [`/n${String(i)}`]);
    ensemble.service(11).submit(OpCode.add, "/n0/x/y", createContent(null), (outcome) => {
      told.push(outcome.ok ? "ok" : outcome.error.code);
    });
    await ensemble.clock.pass(1);
  }
  await ensemble.clock.until(() => told.length === 20);
  expect(new Set(told)).toEqual(new Set(["ERR_ZNODE_NO_NODE"]));
});

test("a refusal that waits when its leader is lost had no effect, and its caller is told", async () => {
  const ensemble = await ServiceEnsemble.of(3);
  const node = ensemble.followerId;
  const done = pipeline(ensemble.service(node), ["/a", "/a"]);
  ensemble.kill(ensemble.leaderId);
  await ensemble.clock.until(() => done.length === 2);
  const codes = ["ERR_SERVER_NOT_READY", "ERR_CLIENT_OUTCOME_UNKNOWN"];
  for (const one of done) expect(codes).toContain(one.split(" ")[1]);
});
