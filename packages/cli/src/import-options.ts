import { EXIT_CODES_HELP } from "./exit-codes.js";

const no = { type: "boolean", default: false } as const;

/** What `quorate import` takes beside what all clients take. */
export const IMPORT_OPTIONS = {
  zookeeper: {
    type: "string",
    demandOption: true,
    describe: "The source, HOST:PORT[,HOST:PORT...][/chroot]",
  },
  "secret-file": {
    type: "string",
    describe: "This ensemble's secret, if it has one; or $QUORATE_SECRET(_FILE)",
  },
  "auth-file": {
    type: "string",
    describe: "Credentials at the source, one digest:user:password a line",
  },
  owners: {
    type: "string",
    describe: "Output of ZooKeeper's SnapshotFormatter: tells containers and times to live",
  },
  "dry-run": { ...no, describe: "Read the source, and tell what would be done" },
  verify: { ...no, describe: "Write nothing; compare both trees" },
  passes: { type: "number", default: 5, describe: "Over the source, until nothing changes" },
  "accept-changes": { ...no, describe: "Also copy a source that does not hold still" },
  "skip-unreadable": { ...no, describe: "Leave out what cannot be read or copied" },
  force: { ...no, describe: "Also to an epoch far above this ensemble's" },
  "spool-dir": { type: "string", describe: "For what was read; default: the system's" },
} as const;

export const IMPORT_HELP =
  "It reads until the source holds still, and only then writes; nothing is overwritten, and it " +
  `may be run again. See docs/operations/migrating.md.\n\n${EXIT_CODES_HELP}`;
