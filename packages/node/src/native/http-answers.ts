import type { IncomingMessage, ServerResponse } from "node:http";
import { errorCodeOf, QuorateError } from "@quorate/protocol";
import type { NodeConfig } from "../config/config.js";
import { refusalOf } from "./guard.js";
import { httpIdentities } from "./http-identities.js";
import { WATCHES_MAX } from "./limits.js";
import { authRequired } from "./member.js";
import type { NativePortDeps } from "./native-port.js";
import { statusDocument, type StatusDocument } from "./status-document.js";
import { openWatch, watchRequestOf, type Watch } from "./watch.js";

type HttpConfig = Pick<
  NodeConfig,
  "cluster" | "nodeId" | "members" | "allowedHosts" | "allowedOrigins" | "tls"
>;

/** What the native port says over HTTP: to probes, to people with curl, to pages that may ask. */
export class HttpAnswers {
  readonly #config: HttpConfig;
  readonly #deps: NativePortDeps;
  readonly #watches = new Set<Watch>();

  constructor(config: HttpConfig, deps: NativePortDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    // Nothing here has a body; one that comes is thrown away.
    request.resume();
    const refused = refusalOf(request.headers, this.#config);
    if (refused !== null) {
      this.#deps.logger.warn("refused a client request", { reason: refused });
      send(response, 403, { error: refused });
      return;
    }
    const { origin } = request.headers;
    if (origin !== undefined) {
      // It is on the list; without this its page would not be shown the answer.
      response.setHeader("Access-Control-Allow-Origin", origin);
      response.setHeader("Vary", "Origin");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      send(response, 405, { error: "GET only" });
      return;
    }
    this.#route(request, response);
  }

  /** A periodic look: quiet watches are sent a sign of life. */
  sweep(): void {
    for (const watch of this.#watches) watch.sweep();
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const command = /^\/commands(?:\/(\w*))?$/.exec(path);
    if (command !== null && this.#deps.adminCommand !== undefined) {
      const [, name = ""] = command;
      sendText(response, this.#deps.adminCommand(name === "" ? null : name));
      return;
    }
    switch (path) {
      case "/status":
        send(response, 200, this.#status());
        return;
      case "/healthz":
        send(response, 200, { ok: true });
        return;
      case "/readyz": {
        const ready = this.#deps.server.status()?.ready ?? false;
        send(response, ready ? 200 : 503, { ready });
        return;
      }
      case "/metrics":
        this.#metrics(response);
        return;
      case "/watch":
        // A stream without an end has no head alone.
        if (request.method === "HEAD") {
          response.setHeader("Allow", "GET");
          send(response, 405, { error: "GET only" });
        } else this.#watch(request, response);
        return;
      default:
        send(response, 404, {
          error: "there are /status, /healthz, /readyz, /metrics, /watch and /commands",
        });
    }
  }

  #status(): StatusDocument {
    return statusDocument(this.#deps.server.status(), this.#deps.vitals(), this.#config);
  }

  #metrics(response: ServerResponse): void {
    this.#deps.metrics().then(
      (answer) => sendText(response, answer),
      (error: unknown) => {
        this.#deps.logger.error("metrics cannot be written", {}, error);
        send(response, 500, { error: "metrics cannot be written" });
      },
    );
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    try {
      // An answer that waits behind another one is not told that its connection has gone.
      if (response.socket === null) throw busy("this connection is still being answered");
      if (this.#watches.size >= WATCHES_MAX) throw busy("too many watches");
      const { superDigest, requiredSchemes } = this.#deps.desk.options;
      const superUser = this.#config.tls?.superUser ?? null;
      const proved = httpIdentities(request, { superUser, superDigest });
      if (!proved.satisfies(requiredSchemes)) throw authRequired(requiredSchemes);
      const asked = { ...watchRequestOf(request), identities: () => proved.list };
      const watch = openWatch(asked, response, this.#deps);
      this.#watches.add(watch);
      response.once("close", () => this.#watches.delete(watch));
    } catch (error) {
      const code = errorCodeOf(error);
      if (!(error instanceof QuorateError) || code === undefined) throw error;
      const { message, retryable, details } = error;
      if (code === "ERR_SESSION_AUTH_REQUIRED") {
        response.setHeader("WWW-Authenticate", 'Basic realm="quorate", charset="UTF-8"');
      }
      if (retryable) response.setHeader("Retry-After", "1");
      send(response, statusOf(error), { error: { code, message, ...details } });
    }
  }
}

function busy(message: string): QuorateError {
  return new QuorateError("ERR_SERVER_BUSY", message, { retryable: true });
}

function statusOf({ code, retryable }: QuorateError): number {
  if (code === "ERR_CLIENT_COMPACTED") return 410;
  if (code === "ERR_SESSION_AUTH_REQUIRED") return 401;
  return retryable ? 503 : 400;
}

function sendText(
  response: ServerResponse,
  { type, text }: { readonly type: string; readonly text: string },
): void {
  response.writeHead(200, {
    "Content-Type": type,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(text);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(`${JSON.stringify(body)}\n`);
}
