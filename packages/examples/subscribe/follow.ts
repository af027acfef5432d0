// Follows what is committed, whichever servers die meanwhile: each transaction once, in order,
// without a hole. A line for each operation, and on standard error where to go on next time:
//
//   node follow.js 127.0.0.1:4181,127.0.0.1:4182,127.0.0.1:4183 /jobs
//   node follow.js 127.0.0.1:4181,127.0.0.1:4182,127.0.0.1:4183 /jobs e1:5
import { createClient, errorCodeOf, formatTxnid, parseTxnid } from "@quorate/client";

const [, , servers = "127.0.0.1:4181", prefix = "/", after] = process.argv;
const leave = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => leave.abort());

const client = createClient({ servers: servers.split(",") });
const events = client.subscribe({
  prefix,
  signal: leave.signal,
  // Without a start it begins now. Whoever keeps the last txnid with its results resumes exactly.
  ...(after === undefined ? {} : { from: parseTxnid(after) }),
});
let last = after;
try {
  for await (const { txnid, operations } of events) {
    last = formatTxnid(txnid);
    for (const { kind, path } of operations) console.log(`${last} ${kind} ${path}`);
  }
} catch (error) {
  // Lost connections, deaths of leaders and changes of server are survived without a word. What
  // ends it says so: ERR_CLIENT_COMPACTED, for one, names the oldest start that there still is.
  if (errorCodeOf(error) !== "ERR_CLIENT_ABORTED") {
    console.error(error);
    process.exitCode = 1;
  }
}
console.error(`go on from ${last ?? "now"}`);
client.close();
