// Preloaded into a server process and each of its threads, by NODE_OPTIONS: samples from the start,
// and writes what it has when the process is sent SIGUSR2. Node's own --cpu-prof writes nothing of a
// thread that is terminated, which is how the store's threads end.
"use strict";
const { readlinkSync, writeFileSync } = require("node:fs");
const { Session } = require("node:inspector");
const { basename, join } = require("node:path");
const { BroadcastChannel, isMainThread, threadId } = require("node:worker_threads");

const INTERVAL_MICROS = 1000;
const directory = process.env.THREAD_PROFILES;

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.setSamplingInterval", { interval: INTERVAL_MICROS });
session.post("Profiler.start");

function finish() {
  const name = isMainThread ? "main" : basename(process.argv[1] ?? "thread", ".js");
  session.post("Profiler.stop", (error, result) => {
    if (error !== null) return;
    // By which the system's own figures of the thread are found.
    const systemId = basename(readlinkSync("/proc/thread-self"));
    const file = `${process.pid}.${threadId}.${name}.${systemId}.cpuprofile`;
    writeFileSync(join(directory, file), JSON.stringify(result.profile));
  });
}

const channel = new BroadcastChannel("quorate bench profiles");
channel.onmessage = finish;
// Neither a thread nor the process lives on for its sake.
channel.unref();

if (isMainThread) {
  process.on("SIGUSR2", () => {
    channel.postMessage(null);
    finish();
  });
}
