import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";

const LOOPBACK = "127.0.0.1";
/** Of ports that are taken. */
const ATTEMPTS_MAX = 100;
/**
 * Below those that systems give to whoever connects (from 32768 on, on Linux): one of these may be
 * a client's end of a connection by the time that its server starts.
 */
const PORT_MIN = 10_000;
const PORT_END = 32_768;

/** Ports that were free for TCP and UDP a moment ago; all different. */
export async function freePorts(count: number): Promise<number[]> {
  const held: (() => Promise<void>)[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt += 1) {
    if (attempt > ATTEMPTS_MAX + count) throw new Error("no free ports");
    const port = randomInt(PORT_MIN, PORT_END);
    const tcp = createServer();
    const udp = createSocket("udp4");
    const isFree =
      (await isBound(tcp, () => tcp.listen(port, LOOPBACK))) &&
      (await isBound(udp, () => udp.bind(port, LOOPBACK)));
    held.push(
      () => closed(tcp),
      () => closed(udp),
    );
    if (isFree) ports.push(port);
  }
  await Promise.all(held.map((release) => release()));
  return ports;
}

function isBound(socket: Server | Socket, bind: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    socket.once("listening", () => resolve(true));
    bind();
  });
}

/** One that was never bound says that it is not running, which is what is wanted. */
function closed(socket: Server | Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
