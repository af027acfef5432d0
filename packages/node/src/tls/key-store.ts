import { readFile } from "node:fs/promises";
import type { SecureContextOptions } from "node:tls";
import { createSecureContext } from "node:tls";
import { QuorateError } from "@quorate/protocol";
import type { TlsConfig } from "../config/tls.js";

type StoreConfig = Omit<TlsConfig, "address" | "clientAuth" | "superUser">;

/** Java's own format of key stores begins so. */
const JKS_MAGIC = 0xfeedfeed;

/**
 * What a TLS server is made of, from the files as they are now. Their format is told by their
 * content. @throws (rejects) ERR_CONFIG_FILE for what cannot be read or used.
 */
export async function readStores(config: StoreConfig): Promise<SecureContextOptions> {
  const options: SecureContextOptions = {
    ...(await keyOf(config)),
    ...(config.trustStore === null ? {} : { ca: await authoritiesOf(config, config.trustStore) }),
    minVersion: config.minVersion,
    ...(config.ciphers === null ? {} : { ciphers: config.ciphers }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw unusable("tls.keyStore", config.keyStore, error);
  }
  return options;
}

async function keyOf({ keyStore, keyStorePassword }: StoreConfig): Promise<SecureContextOptions> {
  const passphrase = keyStorePassword === null ? {} : { passphrase: keyStorePassword };
  const bytes = await read("tls.keyStore", keyStore);
  switch (formatOf(bytes)) {
    case "pem":
      return { key: bytes, cert: bytes, ...passphrase };
    case "pkcs12":
      return { pfx: bytes, ...passphrase };
    case "jks": {
      const entries = await entriesOf("tls.keyStore", keyStore, { bytes, keyStorePassword });
      const own = entries.find((entry) => entry.key !== undefined);
      if (own?.key === undefined || own.cert === undefined) {
        throw unusable("tls.keyStore", keyStore, new Error("it holds no private key"));
      }
      return { key: own.key, cert: own.cert };
    }
  }
}

async function authoritiesOf(config: StoreConfig, file: string): Promise<(string | Buffer)[]> {
  const bytes = await read("tls.trustStore", file);
  if (formatOf(bytes) === "pem") return [bytes];
  const password = config.trustStorePassword;
  // OpenSSL opens no PKCS12 without a private key, which a trust store never has.
  const entries = await entriesOf("tls.trustStore", file, { bytes, keyStorePassword: password });
  const found = entries.flatMap(({ ca, cert }) => [ca, cert].filter((one) => one !== undefined));
  if (found.length === 0) throw unusable("tls.trustStore", file, new Error("it is empty"));
  return found;
}

interface Entry {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The library is loaded by those alone who have such a file (ADR 0018). */
async function entriesOf(
  setting: string,
  file: string,
  { bytes, keyStorePassword }: { bytes: Buffer; keyStorePassword: string | null },
): Promise<readonly Entry[]> {
  const { default: jks } = await import("jks-js");
  try {
    return Object.values(jks.toPem(bytes, keyStorePassword ?? "") as Record<string, Entry>);
  } catch (error) {
    throw unusable(setting, file, error);
  }
}

function formatOf(bytes: Buffer): "pem" | "pkcs12" | "jks" {
  if (bytes.length >= 4 && bytes.readUInt32BE() === JKS_MAGIC) return "jks";
  return bytes[0] === 0x30 ? "pkcs12" : "pem";
}

async function read(setting: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unusable(setting, file, error);
  }
}

function unusable(setting: string, file: string, cause: unknown): QuorateError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const command =
    `keytool -importkeystore -srckeystore ${file} -destkeystore ${file}.p12 ` +
    "-deststoretype PKCS12";
  const message =
    `${setting} ${file} cannot be used: ${why}. PEM and PKCS12 are read as well as JKS; ` +
    `${command} converts`;
  return new QuorateError("ERR_CONFIG_FILE", message, { cause, details: { key: setting } });
}
