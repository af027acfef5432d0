import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect as connectPlain, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { QuorateError, silentMeter } from "@quorate/protocol";
import { NATIVE_SUBPROTOCOL } from "@quorate/codec";
import { buildConfig, describeConfig, loadConfig } from "../src/config/config.js";
import { explainConfig } from "../src/config/explain.js";
import type { RawSettings } from "../src/config/located.js";
import { embed, type EmbeddedNode } from "../src/index.js";
import { openSecurePort } from "../src/tls/secure-port.js";
import { subjectOf } from "../src/tls/subject.js";
import { RecordingLogger, until } from "./support.js";

const store = (name: string): string =>
  fileURLToPath(new URL(`../testdata/tls/${name}`, import.meta.url));
const pem = (name: string): Buffer => readFileSync(store(name));

const TLS = { addr: "0", keyStore: store("server.pem"), trustStore: store("ca.pem") };
const SUBJECT =
  String.raw`CN=client \<x\>\;\"\#\=y\\z,OU=a\+b,` +
  String.raw`O=Acme\, Inc,STREET=A 1,ST=Bavaria,C=DE`;

let directory = "";
let node: EmbeddedNode | null = null;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-tls-"));
});

afterEach(async () => {
  await node?.close();
  node = null;
  rmSync(directory, { recursive: true, force: true });
});

async function start(tls: RawSettings = TLS): Promise<number> {
  node = await embed({ dataDir: join(directory, "data"), tls });
  await node.ready();
  return node.secureAddress?.port ?? 0;
}

/** A client's socket, with the certificate of that name. */
function dial(port: number, certificate: string | null = "client.pem"): TLSSocket {
  const own = certificate === null ? {} : { key: pem(certificate), cert: pem(certificate) };
  return connect({ port, host: "127.0.0.1", ca: pem("ca.pem"), servername: "localhost", ...own });
}

async function readyOver(port: number): Promise<number | undefined> {
  const own = { key: pem("client.pem"), cert: pem("client.pem") };
  const asked = request({ port, host: "127.0.0.1", path: "/readyz", ca: pem("ca.pem"), ...own });
  asked.end();
  const [response] = (await once(asked, "response")) as [{ statusCode?: number }];
  return response.statusCode;
}

/** What whoAmI answers: the schemes and users of a new session, as they stand in the reply. */
async function whoAmI(socket: TLSSocket): Promise<string> {
  const zeros = (bytes: number): string => "00".repeat(bytes);
  const session = `0000002d${zeros(12)}00000fa0${zeros(8)}00000010${zeros(17)}`;
  socket.write(Buffer.from(`${session}00000008000000010000006b`, "hex"));
  let heard = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => (heard = Buffer.concat([heard, data])));
  await until(() => heard.length > 41 + 24);
  socket.destroy();
  return heard.subarray(41).toString("latin1");
}

describe("the port for TLS", () => {
  it.each([
    ["PEM", "server.pem", "ca.pem"],
    ["PKCS12", "server.p12", "ca.p12"],
    ["JKS", "server.jks", "ca.jks"],
  ])("serves words, HTTP and WebSocket from stores of the format %s", async (_, key, trust) => {
    const passwords = { keyStorePassword: "secret1", trustStorePassword: "secret1" };
    const port = await start({
      addr: "0",
      keyStore: store(key),
      trustStore: store(trust),
      ...(key === "server.pem" ? {} : passwords),
    });
    const word = dial(port);
    word.end("srvr");
    expect(await text(word)).toMatch(/^Zookeeper version: 3\.9/);
    expect(await readyOver(port)).toBe(200);
    const own = { key: pem("client.pem"), cert: pem("client.pem"), ca: pem("ca.pem") };
    const socket = new WebSocket(`wss://localhost:${port}`, NATIVE_SUBPROTOCOL, own);
    await once(socket, "open");
    socket.terminate();
  });

  it("knows a client by its certificate's subject, as Java writes it", async () => {
    const port = await start();
    const told = await whoAmI(dial(port));
    expect(told).toContain("x509");
    expect(told).toContain(SUBJECT);
    expect(told).toContain("127.0.0.1");
  });

  it("makes the configured subject the superuser", async () => {
    const port = await start({ ...TLS, superUser: SUBJECT });
    expect(await whoAmI(dial(port))).toContain("super");
    expect(await whoAmI(dial(port, "mail.pem"))).not.toContain("super");
  });

  it.each([
    ["need", "stranger.pem"],
    ["need", null],
    ["want", "stranger.pem"],
  ])("that says %s refuses the certificate %s", async (clientAuth, certificate) => {
    const port = await start({ ...TLS, clientAuth });
    const client = dial(port, certificate);
    const closed = new Promise((resolve) => client.on("close", resolve));
    client.on("error", () => undefined);
    client.on("secureConnect", () => client.write("srvr"));
    let heard = "";
    client.on("data", (data: Buffer) => (heard += data.toString()));
    await closed;
    expect(heard).toBe("");
  });

  it.each(["want", "none"])("that says %s serves one without a certificate", async (clientAuth) => {
    const port = await start({ ...TLS, clientAuth });
    const told = await whoAmI(dial(port, null));
    expect(told).not.toContain("x509");
  });

  it("is not reached by who speaks no TLS, nor the other port by who does", async () => {
    const port = await start();
    const refused = dial(node?.requestAddress.port ?? 0);
    refused.on("error", () => undefined);
    await new Promise((resolve) => refused.on("close", resolve));
    const plain = connectPlain(port, "127.0.0.1");
    plain.on("error", () => undefined);
    plain.write("GET /readyz HTTP/1.1\r\n\r\n");
    plain.resume();
    await once(plain, "close");
    expect(await readyOver(port)).toBe(200);
  });

  it("takes up a certificate that is replaced, and keeps the old one for garbage", async () => {
    const keyStore = join(directory, "own.pem");
    copyFileSync(store("server.pem"), keyStore);
    const { tls } = buildConfig({
      nodeId: 1,
      dataDir: directory,
      host: { electionAddr: "1", messageAddr: "2", requestAddr: "3" },
      tls: { addr: "0", keyStore, clientAuth: "none" },
    });
    if (tls === null) throw new Error("it has TLS");
    const logger = new RecordingLogger();
    const take = (socket: Socket): void => {
      socket.on("end", () => socket.destroy()).on("error", () => socket.destroy());
      socket.resume();
    };
    const secure = await openSecurePort(tls, { take, logger, meter: silentMeter });
    const shown = async (): Promise<string> => {
      const client = dial(secure.address.port, null);
      await once(client, "secureConnect");
      const { subject = "" } = client.getPeerX509Certificate() ?? {};
      client.destroy();
      return subject;
    };
    expect(await shown()).toBe("CN=localhost");
    copyFileSync(store("renewed.pem"), keyStore);
    await secure.sweep();
    expect(await shown()).toBe("CN=localhost\nOU=renewed");
    writeFileSync(keyStore, "no certificate");
    await secure.sweep();
    await secure.sweep();
    expect(await shown()).toBe("CN=localhost\nOU=renewed");
    expect(logger.lines).toEqual([
      "took up the replaced certificates",
      "replaced certificates cannot be used; the old ones are",
    ]);
    await secure.close();
  });
});

describe("stores that cannot be used end the start, named with a way out:", () => {
  it.each<[string, RawSettings, RegExp]>([
    ["a missing file", { keyStore: "none.pem" }, /tls\.keyStore none\.pem cannot be used: ENOENT/],
    ["no key", { keyStore: store("ca.jks"), keyStorePassword: "secret1" }, /no private key/],
    [
      "a wrong password",
      { keyStore: store("server.jks"), keyStorePassword: "wrong" },
      /Password verification failed.*keytool -importkeystore .*-deststoretype PKCS12/,
    ],
    ["a wrong password of PKCS12", { keyStore: store("server.p12") }, /tls\.keyStore .* cannot be/],
    ["what is none", { trustStore: store("server.jks") }, /tls\.trustStore .* cannot be used/],
  ])("%s", async (_, over, why) => {
    const starting = start({ ...TLS, ...over });
    await expect(starting).rejects.toMatchObject({
      code: "ERR_CONFIG_FILE",
      message: expect.stringMatching(why) as string,
    });
  });

  it("an address in use, and then the other port is free again", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const starting = start({ ...TLS, addr: String(port) });
    await expect(starting).rejects.toMatchObject({ code: "ERR_SERVER_PORT_IN_USE" });
    taken.close();
  });
});

describe("the configuration of TLS", () => {
  const minimal = {
    nodeId: 1,
    dataDir: "data",
    host: { electionAddr: "1", messageAddr: "2", requestAddr: "3" },
  };
  const refusalOf = (tls: RawSettings): string => {
    try {
      buildConfig({ ...minimal, tls });
    } catch (error) {
      if (error instanceof QuorateError) return `${error.code}: ${error.message}`;
      throw error;
    }
    throw new Error("nothing was refused");
  };

  it.each<[RawSettings, RegExp]>([
    [{ keyStore: "k" }, /^ERR_CONFIG_RELATION: tls\.addr is required/],
    [{ addr: "0" }, /^ERR_CONFIG_RELATION: tls\.keyStore is required/],
    [{ addr: "0", keyStore: "k" }, /^ERR_CONFIG_RELATION: tls\.trustStore .*clientAuth none/],
    [{ ...TLS, addr: "10.0.0.1:1" }, /^ERR_CONFIG_INSECURE: tls\.addr 10\.0\.0\.1:1 /],
    [{ ...TLS, clientAuth: "yes" }, /^ERR_CONFIG_VALUE: tls\.clientAuth: /],
    [
      { ...TLS, keyStorePassword: "a", keyStorePasswordFile: "b" },
      /^ERR_CONFIG_RELATION: give tls\.keyStorePassword or tls\.keyStorePasswordFile, not both/,
    ],
  ])("is refused for %j", (tls, why) => {
    expect(refusalOf(tls)).toMatch(why);
  });

  it("reads passwords from files and shows none", () => {
    const file = join(directory, "password");
    writeFileSync(file, "much hidden\n");
    const sources = {
      flags: minimal,
      env: { QUORATE_TLS: JSON.stringify({ ...TLS, keyStorePasswordFile: file }) },
    };
    const config = loadConfig(sources);
    expect(config.tls?.keyStorePassword).toBe("much hidden");
    const { settings } = explainConfig(sources);
    expect(JSON.stringify([settings, describeConfig(config)])).not.toContain("much hidden");
    expect(settings.find(({ key }) => key === "tls.keyStore")?.value).toBe(TLS.keyStore);
  });
});

describe("a subject", () => {
  it.each([
    ["client.pem", SUBJECT],
    [
      "mail.pem",
      String.raw`1.2.840.113549.1.9.1=#16056140622e63,CN=\ lead\ ,UID=u1,DC=acme,DC=org`,
    ],
    ["multi.pem", String.raw`CN=\#Jürgen 日本,2.5.4.5=#13023737,O=Acme+OU=multi,C=DE`],
  ])("of %s is what Java's X500Principal says", (name, subject) => {
    expect(subjectOf(new X509Certificate(pem(name)).raw)).toBe(subject);
  });

  it("of a certificate that ends early is refused", () => {
    const { raw } = new X509Certificate(pem("client.pem"));
    expect(() => subjectOf(raw.subarray(0, 20))).toThrow(RangeError);
  });
});
