import { parseArgs } from "node:util";
import type { Pace } from "./measurement.js";
import { rows, rowSets, rowsNamed, type Row } from "./rows.js";

export const HELP = `pnpm bench [options]

Quorate, ZooKeeper and etcd on this machine, under the same loads, in interleaved rounds. ZooKeeper
and etcd are measured where Debian's packages zookeeper and etcd-server are installed. Linux only.

  --only NAME       a row or a set of rows (--list); repeatable; default: table
  --target NAME     quorate, zookeeper or etcd, in the order in which they are compared; repeatable
  --target N=DIR    another checkout of Quorate, under the name N: before and after
  --rounds N        of all targets and rows; medians and ranges over them are told (5)
  --seconds N       of each measurement, after 3 s that warm it up (10)
  --nodes N         voters (3)
  --kills N         of the leader, over all rounds (20)
  --quick           one round, 3 s, 3 kills: does it work
  --profile DIR     writes CPU profiles of Quorate's servers there, and where the time went; each
                    row has an ensemble of its own then, and rates are lower than without
  --write           brings the generated part of docs/benchmarks.md and its charts up to date
  --json            prints everything that was measured
  --from FILE       measures nothing: tells what --json printed into the file; repeatable, so that a
                    long run can be made in pieces
  --list            prints the rows

Ratios compare the first target with each of the others; above 1 is always better for the first.
`;

export interface Settings {
  readonly rows: readonly Row[];
  /** `name` or `name=directory`, in order; empty for the default. */
  readonly targets: readonly string[];
  readonly rounds: number;
  readonly pace: Pace;
  readonly voters: number;
  readonly profile: string | null;
  readonly write: boolean;
  readonly json: boolean;
  /** What earlier runs printed, to be told in place of a new one; empty for a new one. */
  readonly from: readonly string[];
}

const WARM_UP_MS = 3_000;
const STARTS_PER_ROUND = 3;
const NOTIFICATIONS = 40;

/** Text is to be printed and that is all. @throws on wrong usage. */
export function parseSettings(args: readonly string[]): Settings | { readonly text: string } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", multiple: true, default: ["table"] },
      target: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      seconds: { type: "string" },
      nodes: { type: "string", default: "3" },
      kills: { type: "string" },
      quick: { type: "boolean", default: false },
      profile: { type: "string" },
      write: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      from: { type: "string", multiple: true, default: [] },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { text: HELP };
  if (values.list) return { text: listText() };
  const { quick } = values;
  const rounds = whole("rounds", values.rounds ?? (quick ? "1" : "5"), 100);
  const seconds = whole("seconds", values.seconds ?? (quick ? "3" : "10"), 600);
  const kills = whole("kills", values.kills ?? (quick ? "3" : "20"), 1_000);
  return {
    rows: rowsNamed(values.only),
    targets: values.target,
    rounds,
    pace: {
      warmUpMs: quick ? WARM_UP_MS / 2 : WARM_UP_MS,
      measureMs: seconds * 1000,
      kills: Math.ceil(kills / rounds),
      starts: quick ? 1 : STARTS_PER_ROUND,
      notifications: quick ? NOTIFICATIONS / 4 : NOTIFICATIONS,
    },
    voters: whole("nodes", values.nodes, 9),
    profile: values.profile ?? null,
    write: values.write,
    json: values.json,
    from: values.from,
  };
}

function whole(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^[1-9]\d*$/.test(text) || value > max) {
    throw new Error(`--${name} is a whole number from 1 to ${max}`);
  }
  return value;
}

function listText(): string {
  const width = Math.max(...rows.map(({ id }) => id.length));
  return rowSets
    .map((set) => {
      const inSet = rows.filter((row) => row.set === set);
      const lines = inSet.map(({ id, title }) => `  ${id.padEnd(width)}  ${title}\n`);
      return `${set}\n${lines.join("")}`;
    })
    .join("\n");
}
