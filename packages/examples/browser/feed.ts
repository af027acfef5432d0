// Something to look at: a value that wanders, written a few times a second.
import { setTimeout as pause } from "node:timers/promises";
import { createClient, errorCodeOf } from "@quorate/client";

const [, , servers = "127.0.0.1:4181", path = "/demo"] = process.argv;
const client = createClient({ servers: servers.split(",") });
if ((await client.exists(path)) === null) await client.create(path);

for (let value = 20; ; value += Math.random() - 0.5 + (20 - value) * 0.02) {
  try {
    await client.set(path, new TextEncoder().encode(value.toFixed(2)));
  } catch (error) {
    // Between two leaders a write may have happened or not. Here the next one makes up for it.
    console.error(errorCodeOf(error));
  }
  await pause(250);
}
