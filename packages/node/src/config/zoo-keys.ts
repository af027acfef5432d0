import { nearestOf } from "./nearest.js";

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

/** Their loss would change who counts, who may connect, or what can be overheard. */
const REFUSED: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^(group|weight)/, "quorums by groups and weights are not supported; every voter counts once"],
  [/^server(?!cnxnfactory$)/, "it is not of the form server.N with N in 1..254"],
  [/^dynamicconfigfile$/, "the members are read from this file alone; write its server lines here"],
  [/^reconfigenabled$/, "members cannot be changed while the ensemble runs"],
  [/^oraclepath$/, "an oracle that breaks ties in an ensemble of two is not supported"],
  [/^quorum\.auth\./, "nodes prove themselves by a shared secret here (secretFile), not by SASL"],
  [/^(sslquorum|portunification)/, "connections between nodes cannot be encrypted yet"],
  [/^ssl\./, "TLS is not supported yet"],
  [/^secureclientport/, "TLS for clients is not supported yet"],
  [/^client\.(portunification|certreload)$/, "TLS for clients is not supported yet"],
  [
    /^(authprovider|digestauthenticationprovider|x509authenticationprovider)\b/,
    "clients cannot be authenticated yet",
  ],
  [
    /^(enforce\.auth\.|sessionrequireclientsaslauth$|requireclientauth|allowsaslfailedclients$)/,
    "clients cannot be authenticated yet, so they cannot be made to",
  ],
  [/^(kerberos|sasl|jaas|superuser)/, "clients cannot be authenticated yet"],
];

/** They switch off what is not there anyway. */
const OFF = new Set(["false", "no", "off"]);

/** Why a line must not be ignored; null when it may be. */
export function refusalOfKey(key: string, value: string): string | null {
  // ZooKeeper takes keys as they are written. One that differs in case only is meant all the same.
  const lower = key.toLowerCase();
  if (OFF.has(value.toLowerCase()) && !lower.startsWith("server")) return null;
  return REFUSED.find(([pattern]) => pattern.test(lower))?.[1] ?? null;
}

const SESSIONS = "there are no sessions yet";
const OWN_STORE = "the store is another one and keeps its own house";
const NO_ADMIN = "there is no admin server and there are no four-letter words; see GET /status";

/** Keys of ZooKeeper without an effect here, and why. A final dot stands for all keys below. */
const IGNORED: Readonly<Record<string, string>> = {
  minSessionTimeout: SESSIONS,
  maxSessionTimeout: SESSIONS,
  localSessionsEnabled: SESSIONS,
  localSessionsUpgradingEnabled: SESSIONS,
  skipACL: "there are no access control lists yet",
  maxClientCnxns: "connections are bounded in total, not per address",
  maxCnxns: "connections have a bound of their own",
  clientPortListenBacklog: "the system's is used",
  globalOutstandingLimit: "queues have bounds of their own",
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
  "readonlymode.": "reads are answered while a quorum is there",
  "4lw.": NO_ADMIN,
  "admin.": NO_ADMIN,
  "metricsProvider.": NO_ADMIN,
  "jvm.": "there is no JVM",
  "audit.": "there is no audit log",
  extendedTypesEnabled: "there are no nodes with a time to live",
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
  const nearest = nearestOf(key, [...MAPPED_KEYS, ...Object.keys(IGNORED)]);
  const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
  return `unknown key "${key}" is ignored${hint}`;
}
