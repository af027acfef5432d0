import { readFileSync } from "node:fs";
import type { ConnectedClient } from "@quorate/client";
import type { Io } from "./io.js";
import { usageError } from "./report.js";

export interface Proof {
  readonly scheme: string;
  readonly proof: string;
}

/**
 * Who this is: lines of `SCHEME:PROOF`, as digest:user:password, from `$QUORATE_AUTH` and a file.
 * Never from the command line, which everybody on the machine can read, and never printed.
 * @throws ERR_ARG_VALUE, ERR_CONFIG_FILE by the file's name alone.
 */
export function proofsOf(file: string | undefined, env: Io["env"]): readonly Proof[] {
  const lines = (env["QUORATE_AUTH"] ?? "").split("\n");
  if (file !== undefined) lines.push(...readProofs(file).split("\n"));
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map(parseProof);
}

export function parseProof(line: string): Proof {
  const at = line.indexOf(":");
  // Nothing of it is shown: it may be a password.
  if (at < 1) throw usageError("an identity is SCHEME:PROOF, as digest:user:password");
  return { scheme: line.slice(0, at), proof: line.slice(at + 1) };
}

export async function prove(client: ConnectedClient, proofs: readonly Proof[]): Promise<void> {
  for (const { scheme, proof } of proofs) await client.addAuth(scheme, proof);
}

function readProofs(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw usageError(`--auth-file ${file}: ${why}`);
  }
}
