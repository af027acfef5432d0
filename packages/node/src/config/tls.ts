import * as z from "zod";
import { QuorateError } from "@quorate/protocol";
import { parseAddress, type Address } from "./address.js";
import { readText } from "./text-file.js";

const file = z.string().min(1);
const password = z.string().max(4096);

/** A port for clients that speak TLS, beside the other. */
export const tlsSchema = z
  .strictObject({
    addr: z.string(),
    /** This node's key and certificate: PEM (both in one file), PKCS12 or JKS. */
    keyStore: file,
    keyStorePassword: password,
    keyStorePasswordFile: file,
    /** Who vouches for clients: PEM, PKCS12 or JKS. */
    trustStore: file,
    trustStorePassword: password,
    trustStorePasswordFile: file,
    clientAuth: z.enum(["none", "want", "need"]),
    minVersion: z.enum(["TLSv1.2", "TLSv1.3"]),
    /** As OpenSSL names them. */
    ciphers: z.string().min(1).max(4096),
    /** The subject of a client's certificate that may do everything. */
    superUser: z.string().min(1).max(4096),
  })
  .partial();

export type TlsInput = z.infer<typeof tlsSchema>;

export interface TlsConfig {
  readonly address: Address;
  readonly keyStore: string;
  readonly keyStorePassword: string | null;
  readonly trustStore: string | null;
  readonly trustStorePassword: string | null;
  readonly clientAuth: "none" | "want" | "need";
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers: string | null;
  readonly superUser: string | null;
}

/** Null without an address. @throws ERR_CONFIG_FILE, ERR_CONFIG_RELATION, ERR_CONFIG_VALUE. */
export function tlsOf(input: TlsInput | undefined): TlsConfig | null {
  if (input === undefined || Object.keys(input).length === 0) return null;
  const { addr, keyStore, clientAuth = "need" } = input;
  if (addr === undefined) throw relation("addr", "is where clients are to connect");
  if (keyStore === undefined) throw relation("keyStore", "holds this node's key and certificate");
  if (clientAuth !== "none" && input.trustStore === undefined) {
    const what = "vouches for clients' certificates; write tls.clientAuth none to ask for none";
    throw relation("trustStore", what);
  }
  return {
    address: parseAddress(addr, "tls.addr"),
    keyStore,
    keyStorePassword: passwordOf(input, "keyStore"),
    trustStore: input.trustStore ?? null,
    trustStorePassword: passwordOf(input, "trustStore"),
    clientAuth,
    minVersion: input.minVersion ?? "TLSv1.2",
    ciphers: input.ciphers ?? null,
    superUser: input.superUser ?? null,
  };
}

function relation(key: string, what: string): QuorateError {
  return new QuorateError("ERR_CONFIG_RELATION", `tls.${key} is required with tls: it ${what}`, {
    details: { key: "tls" },
  });
}

function passwordOf(input: TlsInput, store: "keyStore" | "trustStore"): string | null {
  const given = input[`${store}Password`];
  const path = input[`${store}PasswordFile`];
  if (path === undefined) return given ?? null;
  if (given !== undefined) {
    const names = `tls.${store}Password or tls.${store}PasswordFile`;
    throw new QuorateError("ERR_CONFIG_RELATION", `give ${names}, not both`, {
      details: { key: `tls.${store}PasswordFile` },
    });
  }
  return readText("the password file", path).trim();
}
