import { QuorateError } from "@quorate/protocol";
import { parseJson, TextError } from "./json-text.js";
import { plainOf } from "./located.js";
import { readText } from "./text-file.js";
import type { ZookeeperInput } from "./zookeeper.js";

/** Users of one node. */
const USERS_MAX = 10_000;
/** Characters. Both fit a client's token, whatever else it says. */
const NAME_LENGTH_MAX = 256;
const PASSWORD_LENGTH_MAX = 1024;

/** What a Kerberos name's parts end with would not be the name that an ACL has. */
const NOT_IN_NAME = /[@/\p{Cc}\p{Surrogate}]/u;

export type SaslPasswords = Readonly<Record<string, string>>;

type SaslInput = Pick<
  ZookeeperInput,
  "saslPasswords" | "saslPasswordsFile" | "saslSuperUser" | "requiredSchemes"
>;

/**
 * Passwords by the names of those who may log in by SASL; null for nobody.
 * @throws ERR_CONFIG_FILE, ERR_CONFIG_VALUE, ERR_CONFIG_RELATION.
 */
export function saslPasswordsOf(input: SaslInput): SaslPasswords | null {
  const { saslPasswords, saslPasswordsFile, saslSuperUser, requiredSchemes } = input;
  if (saslPasswords !== undefined && saslPasswordsFile !== undefined) {
    const names = "zookeeper.saslPasswords or zookeeper.saslPasswordsFile";
    throw relation("saslPasswordsFile", `give ${names}, not both`);
  }
  const passwords =
    saslPasswordsFile === undefined
      ? checkPasswords(saslPasswords ?? {}, "saslPasswords")
      : checkPasswords(readPasswords(saslPasswordsFile), "saslPasswordsFile");
  if (saslSuperUser !== undefined && !Object.hasOwn(passwords, saslSuperUser)) {
    const what = "zookeeper.saslSuperUser is none of zookeeper.saslPasswords";
    throw relation("saslSuperUser", what);
  }
  const isEmpty = Object.keys(passwords).length === 0;
  if (isEmpty && requiredSchemes?.includes("sasl") === true) {
    const what = "nobody could log in by sasl: give zookeeper.saslPasswordsFile or .saslPasswords";
    throw relation("requiredSchemes", what);
  }
  return isEmpty ? null : passwords;
}

/** A JSON object; it is never quoted. */
function readPasswords(path: string): unknown {
  const text = readText("the file of passwords", path);
  try {
    return plainOf(parseJson(text, (line) => ({ kind: "file", file: path, line })));
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    throw value("saslPasswordsFile", `${path} is not JSON (${error.message})`);
  }
}

function checkPasswords(given: unknown, key: string): SaslPasswords {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw value(key, "it is an object of passwords by name");
  }
  const entries = Object.entries(given).map(([name, password]: [string, unknown]) => {
    if (name.length < 1 || name.length > NAME_LENGTH_MAX || NOT_IN_NAME.test(name)) {
      throw value(key, `a name has 1..${NAME_LENGTH_MAX} characters, none of them / or @`);
    }
    if (typeof password !== "string" || password === "" || password.length > PASSWORD_LENGTH_MAX) {
      const what = `a password is a text of 1..${PASSWORD_LENGTH_MAX} characters`;
      throw value(key, `${what}, and that of ${JSON.stringify(name)} is not`);
    }
    return [name, password] as const;
  });
  if (entries.length > USERS_MAX) throw value(key, `at most ${USERS_MAX} names`);
  return Object.fromEntries(entries);
}

function value(key: string, what: string): QuorateError {
  return new QuorateError("ERR_CONFIG_VALUE", `zookeeper.${key}: ${what}`, {
    details: { key: `zookeeper.${key}` },
  });
}

function relation(key: string, what: string): QuorateError {
  return new QuorateError("ERR_CONFIG_RELATION", what, { details: { key: `zookeeper.${key}` } });
}
