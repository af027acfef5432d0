import type { Server } from "node:net";
import { QuorateError } from "@quorate/protocol";
import { formatAddress, type Address } from "../config/address.js";
import { LISTEN_BACKLOG } from "./limits.js";

/**
 * Binds a server, and tells where: with the real port where 0 was asked for.
 * @throws (rejects) ERR_SERVER_PORT_IN_USE, ERR_CONFIG_VALUE.
 */
export function listen(server: Server, address: Address, setting: string): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const where = formatAddress(address);
      reject(
        error.code === "EADDRINUSE"
          ? new QuorateError("ERR_SERVER_PORT_IN_USE", `${setting} ${where} is already in use`, {
              cause: error,
              details: { address: where },
            })
          : new QuorateError("ERR_CONFIG_VALUE", `${setting} ${where} cannot be bound`, {
              cause: error,
            }),
      );
    });
    server.listen({ host: address.host, port: address.port, backlog: LISTEN_BACKLOG }, () => {
      const bound = server.address();
      resolve({
        host: address.host,
        port: typeof bound === "object" && bound !== null ? bound.port : address.port,
      });
    });
  });
}
