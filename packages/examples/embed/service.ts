// A web service with a coordination server inside: it keeps its settings and a counter in an
// embedded node, and lets others watch the settings.
//
//   node service.js DATA_DIR [PORT]
//   curl -N localhost:8080/events &
//   curl -X PUT localhost:8080/settings -H 'content-type: application/json' -d '{"on":true}'
//   curl -X POST localhost:8080/visits
import { Readable } from "node:stream";
import { fastify, type FastifyInstance } from "fastify";
import { formatTxnid } from "@quorate/client";
import { embed, type EmbeddedNode } from "@quorate/node";
import { VisitCounter, VISIT } from "./visit-counter.js";

const NOW = 60;
const NOTHING = new Uint8Array(0);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Everything of Quorate that the service needs. */
async function openNode(dataDir: string): Promise<EmbeddedNode> {
  const node = await embed(
    { dataDir },
    {
      // Answered where the leader is, and not logged.
      handlers: { [NOW]: () => bytes(new Date().toISOString()) },
      // Logged, and the same on every node.
      createCustomState: () => new VisitCounter(),
    },
  );
  await node.ready();
  if ((await node.client.exists("/settings")) === null) {
    await node.client.create("/settings", bytes("{}"));
  }
  return node;
}

function openService(node: EmbeddedNode): FastifyInstance {
  const { client } = node;
  // Event streams have no end of their own: closing the service closes them.
  const service = fastify({ forceCloseConnections: true });
  service.addHook("onClose", () => node.close());
  service.get("/settings", async (_request, reply) => {
    const { data } = await client.get("/settings");
    return reply.type("application/json").send(text(data));
  });
  service.put("/settings", async ({ body }) => {
    const { stat } = await client.set("/settings", bytes(JSON.stringify(body)));
    return { version: stat.version };
  });
  service.post("/visits", async () => ({
    visits: Number(text(await client.custom(VISIT, "", NOTHING))),
  }));
  service.get("/now", async () => ({ now: text(await client.custom(NOW, "", NOTHING)) }));
  service.get("/events", (_request, reply) => {
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    return reply.type("text/event-stream").send(Readable.from(changes(node, gone.signal)));
  });
  return service;
}

/** Server-sent events, so that a browser's EventSource can listen. */
async function* changes(node: EmbeddedNode, signal: AbortSignal): AsyncGenerator<string> {
  yield ": listening\n\n";
  for await (const { txnid } of node.subscribe({ prefix: "/settings", signal })) {
    yield `id: ${formatTxnid(txnid)}\ndata: the settings have changed\n\n`;
  }
}

const [, , dataDir = "service-data", port = "8080"] = process.argv;
const service = openService(await openNode(dataDir));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void service.close());
console.log(await service.listen({ port: Number(port) }));
