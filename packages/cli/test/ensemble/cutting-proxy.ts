import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Stands between a client and its server, and may cut them off or keep from them what is said. */
export class CuttingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isHolding = false;
  cuts = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    server.on("connection", (socket) => this.#join(socket, connect(port, "127.0.0.1")));
  }

  static async to(port: number): Promise<CuttingProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new CuttingProxy(server, port);
  }

  get url(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nothing of the server reaches the client; what follows is lost when it is cut. */
  hold(): void {
    this.#isHolding = true;
    for (const [, upstream] of this.#pairs) upstream.pause();
  }

  cut(): void {
    this.cuts += 1;
    this.#isHolding = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, upstream: Socket): void {
    const pair = [client, upstream] as const;
    this.#pairs.add(pair);
    const leave = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.on("error", leave).on("close", leave);
    upstream.on("error", leave).on("close", leave);
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes) => client.write(bytes));
    if (this.#isHolding) upstream.pause();
  }
}
