import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describePeerMessenger, describePeerPipe } from "@quorate/testkit/compliance";
import { createUdpMessenger, type PeerAddress } from "../src/index.js";
import type { NodeId } from "@quorate/protocol";
import { loopback, makeDeps, Network, one, two, until } from "./network.js";

describePeerMessenger("UDP", () => createMessengers(undefined));
describePeerMessenger("UDP with a secret", () => createMessengers("s3cret"));

async function createMessengers(secret: string | undefined) {
  const peers = new Map<NodeId, PeerAddress>();
  const common = { cluster: "test", bind: loopback, peers, secret };
  const first = await createUdpMessenger({ ...common, nodeId: one }, makeDeps());
  const second = await createUdpMessenger({ ...common, nodeId: two }, makeDeps());
  peers.set(one, first.address).set(two, { host: "localhost", port: second.address.port });
  return {
    cluster: "test",
    first,
    second,
    until,
    async close() {
      await Promise.all([first.close(), second.close()]);
    },
  };
}

describePeerPipe("WebSocket, called side near", async () => {
  const { network, dialled, accepted, cut } = await establish();
  return { near: accepted, far: dialled, cut, until, close: () => network.close() };
});

describePeerPipe("WebSocket, dialling side near", async () => {
  const { network, dialled, accepted, cut } = await establish();
  return { near: dialled, far: accepted, cut, until, close: () => network.close() };
});

/** A pipe through a relay, so that the connection can be cut from outside. */
async function establish() {
  const network = new Network();
  const listener = await network.listen();
  const sockets: Socket[] = [];
  const relay = createServer((inbound) => {
    const outbound = connect(listener.address.port, "127.0.0.1");
    sockets.push(inbound, outbound);
    for (const socket of [inbound, outbound]) socket.on("error", () => undefined);
    inbound.pipe(outbound).pipe(inbound);
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const { port } = relay.address() as AddressInfo;
  const dialled = await network.dial({ address: { host: "127.0.0.1", port } });
  await until(() => listener.pipes.length === 1);
  const [accepted] = listener.pipes;
  if (accepted === undefined) throw new Error("no pipe");
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const closing = {
    close: async () => {
      await network.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
  return { network: closing, dialled, accepted, cut };
}
