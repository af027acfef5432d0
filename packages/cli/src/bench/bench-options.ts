import { keyChoices, workloads } from "@quorate/load/vocabulary";
import { EXIT_CODES_HELP } from "../exit-codes.js";

/** What `quorate bench` takes beside what all commands take that ask a server. */
export const BENCH_OPTIONS = {
  workload: {
    choices: workloads,
    default: "mixed",
    describe: "mixed is 90 reads and 10 writes of a hundred",
  },
  protocol: {
    choices: ["zookeeper", "native"],
    default: "zookeeper",
    describe: "native costs this client more, and reaches Quorate alone",
  },
  connections: { type: "number", default: 10, describe: "To the servers in turn, 1 to 10000" },
  outstanding: {
    type: "number",
    default: 10,
    describe: "Requests of a connection on their way; with --rate at most so many",
  },
  rate: {
    type: "number",
    describe: "An open loop: requests a second, however long answers take",
  },
  bytes: { type: "number", default: 1024, describe: "Of each value, at most 1000000" },
  keys: { type: "number", default: 1000, describe: "Nodes that are made for it, at most 10^8" },
  "key-choice": { choices: keyChoices, default: "in-turn", describe: "Which is asked for next" },
  seconds: { type: "number", default: 10, describe: "Measured, 1 to 3600" },
  "warm-up": { type: "number", default: 2, describe: "Seconds before, 0 to 3600" },
  root: { type: "string", describe: "A new node below which it writes; default: a random name" },
} as const;

export const BENCH_HELP =
  "It makes nodes below one of its own, asks as told, and removes them all, also after Ctrl-C. " +
  "The ensemble serves others the worse meanwhile. Latencies of an open loop count from when a " +
  `request was meant to start.\n\n${EXIT_CODES_HELP}`;
