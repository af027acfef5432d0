import { nearestOf } from "./nearest.js";
import { CLIENT_KEYS } from "./zoo-clients.js";

/** What this node makes of a zoo.cfg. */
export const MAPPED_KEYS = [
  "dataDir",
  "dataLogDir",
  "clientPort",
  "clientPortAddress",
  "tickTime",
  "initLimit",
  "syncLimit",
  "peerType",
  "electionAlg",
  "quorumListenOnAllIPs",
] as const;

const NO_PROVIDERS = "only digest, ip, x509 and sasl are known";

/** Their loss would change who counts, who may connect, or what can be overheard. */
const REFUSED: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^(group|weight)/, "quorums by groups and weights are not supported; every voter counts once"],
  [/^server(?!cnxnfactory=)/, "it is not of the form server.N with N in 1..254"],
  [/^dynamicconfigfile=/, "the members are read from this file alone; write its server lines here"],
  [/^reconfigenabled=/, "members cannot be changed while the ensemble runs"],
  [/^oraclepath=/, "an oracle that breaks ties in an ensemble of two is not supported"],
  [/^quorum\.auth\./, "nodes prove themselves by a shared secret here (secretFile), not by SASL"],
  [
    /^(sslquorum|portunification|ssl\.quorum\.)/,
    "connections between nodes cannot be encrypted yet",
  ],
  [/^ssl\.(crl|ocsp)/, "revoked certificates are not looked up"],
  [/^ssl\.(ciphersuites|enabledprotocols)/, "write tls.ciphers or tls.minVersion (QUORATE_TLS)"],
  [/^ssl\.(context|authprovider=(?!x509$))/, "certificates are judged in one way: see tls"],
  [/^client\.portunification/, "TLS has a port of its own, secureClientPort"],
  [/^authprovider\b(?!.*(digest|x509|ip|sasl)authenticationprovider$)/, NO_PROVIDERS],
  [/^digestauthenticationprovider\./, "passwords are hashed by SHA-1 alone"],
  [/^x509authenticationprovider\./, "a certificate's subject is who a client is"],
  [/^requireclientauth/, "write sessionRequireClientSASLAuth, or enforce.auth.*"],
  [/^allowsaslfailedclients/, "whoever fails to authenticate is turned away"],
  [/^(kerberos|sasl|jaas)/, "of SASL there is DIGEST-MD5 alone, with zookeeper.saslPasswordsFile"],
];

/** They switch off what is not there anyway. */
const OFF = new Set(["false", "no", "off"]);

/** Why a line must not be ignored; null when it may be. */
export function refusalOfKey(key: string, value: string): string | null {
  // ZooKeeper takes keys as they are written. One that differs in case only is meant all the same.
  const lower = key.toLowerCase();
  if (OFF.has(value.toLowerCase()) && !lower.startsWith("server")) return null;
  const line = `${lower}=${value.toLowerCase()}`;
  return REFUSED.find(([pattern]) => pattern.test(line))?.[1] ?? null;
}

const SESSIONS = "sessions are always known to the whole ensemble";
const OWN_STORE = "the store is another one and keeps its own house";
const ONE_PORT = "GET /commands and /metrics are answered on the port for clients";

/** Keys of ZooKeeper without an effect here, and why. A final dot stands for all keys below. */
const IGNORED: Readonly<Record<string, string>> = {
  localSessionsEnabled: SESSIONS,
  localSessionsUpgradingEnabled: SESSIONS,
  skipACL: "access control lists are always checked",
  clientPortListenBacklog: "the system's is used",
  "autopurge.": OWN_STORE,
  snapCount: "see checkpointBytes",
  snapSizeLimitInKb: "see checkpointBytes",
  commitLogCount: OWN_STORE,
  preAllocSize: OWN_STORE,
  txnLogSizeLimitInKb: OWN_STORE,
  "fsync.": OWN_STORE,
  "snapshot.": OWN_STORE,
  forceSync: "what is acknowledged is always on disk",
  serverCnxnFactory: "there is one kind of connection",
  syncEnabled: "watchers always write what they receive",
  standaloneEnabled: "one server line is an ensemble of one",
  leaderServes: "every node serves clients",
  connectToLearnerMasterLimit: "see timings.connectTimeoutMs",
  observerMasterPort: "watchers follow the leader",
  cnxTimeout: "see timings.connectTimeoutMs",
  "quorum.cnxn.threads.size": "there are no such threads",
  "multiAddress.": "a node has one address",
  tcpKeepAlive: "heartbeats notice what is lost",
  electionPortBindRetry: "a port in use ends the start",
  "admin.": ONE_PORT,
  "metricsProvider.": ONE_PORT,
  "authProvider.": "it is always there",
  "ssl.": "the format of a store is told by its content, and clients are known by their subject",
  "client.certReload": "replaced certificates are always taken up",
  "jvm.": "there is no JVM",
  "audit.": "there is no audit log",
  extendedTypesEnabled: "nodes with a time to live are always possible",
  "digest.": "digests are always kept",
  serializeLastProcessedZxid: OWN_STORE,
  version: "it belongs to dynamic configuration",
};

/** What to tell about a key that is neither mapped nor refused. */
export function warningOfKey(key: string): string {
  const why = Object.entries(IGNORED).find(([name]) =>
    name.endsWith(".") ? key.startsWith(name) : key === name,
  )?.[1];
  if (why !== undefined) return `${key} has no effect here: ${why}`;
  const nearest = nearestOf(key, [...MAPPED_KEYS, ...CLIENT_KEYS, ...Object.keys(IGNORED)]);
  const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
  return `unknown key "${key}" is ignored${hint}`;
}
