// The same election as an iteration of states, with a rank of one's own and a secret.
import { findLeader, joinElection, type Candidate } from "@quorate/election";
import { udpNetwork } from "@quorate/transport/udp";

const election = {
  cluster: "billing",
  members: { 1: "10.0.0.1:7001", 2: "10.0.0.2:7001", 3: "10.0.0.3:7001" },
  secret: process.env["ELECTION_SECRET"] ?? "",
};

/** The instance that has applied most leads: it has least to catch up. */
export async function run(nodeId: number, applied: () => bigint): Promise<void> {
  const candidate: Candidate = await joinElection(
    { ...election, nodeId, bind: "0.0.0.0:7001", rank: () => ({ lastLogged: applied() }) },
    udpNetwork,
  );
  for await (const { status, leader, term } of candidate.states()) {
    if (status === "following") console.log(`node ${leader} leads in term ${term}`);
  }
}

/** From a program that is no member. */
export async function ask(): Promise<string> {
  const { address } = await findLeader({ ...election, timeoutMs: 2000 }, udpNetwork);
  return address;
}
