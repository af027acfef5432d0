// A service of which several instances run and one works: they elect it, with nothing else of
// Quorate running. Three terminals:
//
//   M=1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003
//   node worker.js 1 $M
//   node worker.js 2 $M
//   node worker.js 3 $M
import { setTimeout as pause } from "node:timers/promises";
import { joinElection } from "@quorate/election";
import { udpNetwork } from "@quorate/transport/udp";

const [, , id = "", list = ""] = process.argv;
const members: Record<number, string> = {};
for (const member of list.split(",")) {
  const [memberId = "", address = ""] = member.split("=");
  members[Number(memberId)] = address;
}
const leave = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => leave.abort());

const candidate = await joinElection(
  {
    cluster: "example",
    nodeId: Number(id),
    members,
    signal: leave.signal,
  },
  udpNetwork,
);

const say = (what: object): void => console.log(JSON.stringify({ node: Number(id), ...what }));
candidate.on("following", ({ leader }) => say({ status: "following", leader }));
candidate.on("lost", ({ reason }) => say({ status: "lost", reason }));

await candidate.whileLeading(async (signal, term) => {
  say({ status: "leading", term });
  for (let job = 1; !signal.aborted; job += 1) {
    // Not only when told: the lead may have ended while this process stood still.
    if (candidate.isLeading) say({ status: "working", term, job });
    await pause(50, undefined, { signal }).catch(() => undefined);
  }
});
