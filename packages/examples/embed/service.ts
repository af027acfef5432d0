// A service with a coordination server inside: an HTTP program that keeps its settings and a
// counter in an embedded node, and lets others watch them.
//
//   node service.ts DATA_DIR [PORT]      GET /settings, PUT /settings, POST /visits, GET /events
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { embed, type EmbeddedNode } from "@quorate/node";
import { VisitCounter, VISIT } from "./visit-counter.js";

const NOW = 60;

/** Everything of Quorate that the service needs. */
export async function openNode(dataDir: string): Promise<EmbeddedNode> {
  const node = await embed(
    { dataDir },
    {
      // Answered where the leader is, and not logged.
      handlers: { [NOW]: () => new TextEncoder().encode(new Date().toISOString()) },
      // Logged, and the same on every node.
      createCustomState: () => new VisitCounter(),
    },
  );
  await node.ready();
  if ((await node.client.exists("/settings")) === null) {
    await node.client.create("/settings", new TextEncoder().encode("{}"));
  }
  return node;
}

export function openService(node: EmbeddedNode): Server {
  return createServer((request, response) => {
    answer(node, request, response).catch((error: unknown) => {
      // A watcher that is gone ends its subscription in the middle of the answer.
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(String(error));
    });
  });
}

async function answer(
  node: EmbeddedNode,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { client } = node;
  switch (`${request.method} ${request.url}`) {
    case "GET /settings":
      response.end((await client.get("/settings")).data);
      return;
    case "PUT /settings": {
      const { stat } = await client.set("/settings", await bodyOf(request));
      response.end(`version ${stat.version}\n`);
      return;
    }
    case "POST /visits":
      response.end(await client.custom(VISIT, "", new Uint8Array()));
      return;
    case "GET /now":
      response.end(await client.custom(NOW, "", new Uint8Array()));
      return;
    case "GET /events": {
      const gone = new AbortController();
      request.once("close", () => gone.abort());
      response.writeHead(200, { "Content-Type": "text/plain" }).flushHeaders();
      for await (const { txnid } of node.subscribe({ prefix: "/settings", signal: gone.signal })) {
        response.write(`settings changed at ${txnid}\n`);
      }
      return;
    }
    default:
      response.writeHead(404).end();
  }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

if (process.argv[1] === import.meta.filename) {
  const [dataDir = "service-data", port = "8080"] = process.argv.slice(2);
  const node = await openNode(dataDir);
  const service = openService(node).listen(Number(port));
  process.once("SIGTERM", () => {
    service.close();
    service.closeAllConnections();
    void node.close();
  });
}
