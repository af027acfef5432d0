import { networkInterfaces } from "node:os";
import {
  silentLogger,
  silentMeter,
  toNodeId,
  type ElectionNetworkOptions,
} from "@quorate/protocol";
import { ballotOf } from "@quorate/testkit/compliance";
import { freePorts } from "@quorate/testkit/processes";
import { afterEach, describe, expect, test } from "vitest";
import { udpNetwork } from "../src/udp.js";
import { one, two, until } from "./network.js";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const hasIPv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === "::1");

async function open(nodeId: number, members: [number, string][], more = {}) {
  const options: ElectionNetworkOptions = {
    cluster: "test",
    nodeId: toNodeId(nodeId),
    members: new Map(members.map(([id, address]) => [toNodeId(id), address])),
    logger: silentLogger,
    meter: silentMeter,
    ...more,
  };
  const network = await udpNetwork(options);
  closers.push(() => network.close());
  return network;
}

describe("the network of an election", () => {
  test.each([
    ["127.0.0.1", true],
    ["[::1]", hasIPv6],
  ])("one who is no member reaches members at %s and is answered", async (host, isThere) => {
    if (!isThere) return;
    const [port] = await freePorts(1);
    const address = `${host}:${port}`;
    const member = await open(1, [[1, address]]);
    const outsider = await open(9, [[1, address]]);
    const question = ballotOf(toNodeId(9), "test");
    const asking = { ...question, vote: { ...question.vote, solicit: true } };
    member.messenger.onDatagram(({ sender }) =>
      member.messenger.send(sender, ballotOf(one, "test")),
    );
    let answers = 0;
    outsider.messenger.onDatagram(() => (answers += 1));
    outsider.messenger.send(one, asking);
    await until(() => answers === 1);
  });

  test("a member listens at its own address, or where it is told to", async () => {
    const addresses = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
    const [taken = "", listed = "", elsewhere = ""] = addresses;
    const members: [number, string][] = [
      [1, taken],
      [2, listed],
    ];
    const first = await open(1, members);
    const second = await open(2, members, { bind: elsewhere });
    let heard = 0;
    first.messenger.onDatagram(() => (heard += 1));
    second.messenger.send(one, ballotOf(two, "test"));
    await until(() => heard === 1);
    await expect(open(2, members, { bind: taken })).rejects.toMatchObject({
      code: "ERR_SERVER_PORT_IN_USE",
    });
  });

  test("an address that is none is refused, and a public one without a secret", async () => {
    await expect(open(1, [[1, "nowhere"]])).rejects.toMatchObject({ code: "ERR_CONFIG_VALUE" });
    const members: [number, string][] = [
      [1, "127.0.0.1:7396"],
      [2, "127.0.0.1:0"],
    ];
    await expect(open(1, members)).rejects.toMatchObject({ code: "ERR_CONFIG_VALUE" });
    await expect(open(1, [[1, "0.0.0.0:7396"]])).rejects.toMatchObject({
      code: "ERR_CONFIG_INSECURE",
    });
  });
});
