import type { Argv } from "yargs";
import { serverOptions, type Done } from "../client-options.js";
import type { Io } from "../io.js";
import { BENCH_HELP, BENCH_OPTIONS } from "./bench-options.js";

export function addBenchCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "bench",
    "Measure an ensemble: requests a second, and how long they take",
    (command) =>
      command
        .epilogue(BENCH_HELP)
        .options({ ...serverOptions(io), ...BENCH_OPTIONS })
        .example("$0 bench", "Reads and writes for ten seconds")
        .example("$0 bench --workload set --connections 30", "Writes alone")
        .example("$0 bench --rate 2000 --server zk1:2181 --json", "An open loop, of ZooKeeper"),
    async (argv) => {
      const { benchCommand } = await import("./bench-command.js");
      await done(benchCommand({ ...argv, rate: argv.rate, root: argv.root }, io));
    },
  );
}
