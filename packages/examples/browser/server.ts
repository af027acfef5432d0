// Serves the page, with the client bundled for browsers. The nodes must allow the page's origin:
//
//   QUORATE_ALLOWED_ORIGINS='["http://127.0.0.1:8080"]' pnpm start
//   node server.js 8080 127.0.0.1:4181,127.0.0.1:4182,127.0.0.1:4183 /demo
//   node feed.js 127.0.0.1:4181,127.0.0.1:4182,127.0.0.1:4183 /demo
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [, , port = "8080", list = "127.0.0.1:4181", prefix = "/demo"] = process.argv;
const servers = list.split(",");

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const { outputFiles } = await build({
  entryPoints: [fileOf("page.js")],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  platform: "browser",
  target: "es2022",
  // As this program itself: `--conditions=@quorate/source` takes the workspace's sources.
  conditions: process.execArgv.flatMap((arg) => /^--conditions=(.+)$/.exec(arg)?.[1] ?? []),
});

const files = new Map<string, readonly [type: string, body: string | Uint8Array]>([
  ["/", ["text/html; charset=utf-8", readFileSync(fileOf("index.html"))]],
  ["/style.css", ["text/css; charset=utf-8", readFileSync(fileOf("style.css"))]],
  ["/page.js", ["text/javascript; charset=utf-8", outputFiles[0]?.contents ?? ""]],
  ["/settings.json", ["application/json", JSON.stringify({ servers, prefix })]],
]);
// The page talks to this server and to the nodes, and to nobody else.
const nodes = servers.map((server) => `ws://${server}`).join(" ");
const policy = `default-src 'self'; img-src data:; connect-src 'self' ${nodes}`;

const server = createServer((request, response) => {
  const file = files.get(request.url ?? "");
  if (file === undefined) {
    response.writeHead(404).end();
    return;
  }
  const [type, body] = file;
  response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(body);
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
