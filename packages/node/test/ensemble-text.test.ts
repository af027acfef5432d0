import { toNodeId } from "@quorate/protocol";
import { expect, it } from "vitest";
import type { Member, MemberRole } from "../src/config/members.js";
import { ensembleText } from "../src/zookeeper/ensemble-text.js";

function member(id: number, role: MemberRole, host: string): Member {
  const at = (port: number): { host: string; port: number } => ({ host, port });
  const [election, message, request] = [at(3888), at(2888), at(2181)];
  return { id: toNodeId(id), role, election, message, request };
}

it("writes members as ZooKeeper does, and nothing for one alone", () => {
  const one = member(1, "voter", "one.example");
  expect(ensembleText([one])).toBe("");
  expect(ensembleText([one, member(2, "voter", "::1"), member(7, "watcher", "10.0.0.7")])).toBe(
    "server.1=one.example:2888:3888:participant;one.example:2181\n" +
      "server.2=[::1]:2888:3888:participant;[::1]:2181\n" +
      "server.7=10.0.0.7:2888:3888:observer;10.0.0.7:2181\n" +
      "version=0",
  );
});
