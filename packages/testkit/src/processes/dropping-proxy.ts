import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";

const LOOPBACK = "127.0.0.1";

/**
 * A stretch of network between two processes that can fall silent: while it drops, everything
 * disappears without a reset, and nothing of it comes later.
 */
export interface DroppingProxy {
  readonly port: number;
  drops: boolean;
  close(): Promise<void>;
}

/** Datagrams in one direction. */
export async function proxyUdp(targetPort: number): Promise<DroppingProxy> {
  const socket = createSocket("udp4");
  socket.bind(0, LOOPBACK);
  await once(socket, "listening");
  const proxy = {
    port: socket.address().port,
    drops: false,
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
  socket.on("message", (data) => {
    if (!proxy.drops) socket.send(data, targetPort, LOOPBACK);
  });
  socket.on("error", () => undefined);
  return proxy;
}

/** Connections, both directions of each. */
export async function proxyTcp(targetPort: number): Promise<DroppingProxy> {
  const sockets = new Set<Socket>();
  const proxy = { port: 0, drops: false, close: () => Promise.resolve() };
  // Bytes that came during the silence are lost, so the stream must never be heard again.
  const forward = (from: Socket, to: Socket): void => {
    let isBroken = false;
    from.on("data", (data) => {
      isBroken ||= proxy.drops;
      if (!isBroken && !to.destroyed) to.write(data);
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      sockets.delete(from);
      // A reset does not cross a silent stretch either.
      if (!isBroken && !proxy.drops) to.destroy();
    });
    from.setNoDelay(true);
    sockets.add(from);
  };
  const server = createServer((near) => {
    const far = connect(targetPort, LOOPBACK);
    forward(near, far);
    forward(far, near);
  });
  server.listen(0, LOOPBACK);
  await once(server, "listening");
  proxy.port = (server.address() as AddressInfo).port;
  proxy.close = async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return proxy;
}
