import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

const LOOPBACK = "127.0.0.1";
/** Of ports that are free for TCP and taken for UDP. */
const ATTEMPTS_MAX = 100;

/** Ports that were free for TCP and UDP a moment ago; all different. */
export async function freePorts(count: number): Promise<number[]> {
  const held: (() => Promise<void>)[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt += 1) {
    if (attempt > ATTEMPTS_MAX + count) throw new Error("no free ports");
    const tcp = createServer().listen(0, LOOPBACK);
    await once(tcp, "listening");
    const { port } = tcp.address() as AddressInfo;
    held.push(() => new Promise((resolve) => tcp.close(() => resolve())));
    const udp = createSocket("udp4");
    const isFree = await new Promise<boolean>((resolve) => {
      udp.once("error", () => resolve(false));
      udp.bind(port, LOOPBACK, () => resolve(true));
    });
    held.push(() => new Promise((resolve) => (isFree ? udp.close(() => resolve()) : resolve())));
    if (isFree) ports.push(port);
  }
  await Promise.all(held.map((release) => release()));
  return ports;
}
