// Records a store of the newest schema, once, for every later release to open:
// node --conditions=@quorate/source --import tsx packages/commit-log/test/schema/record.ts
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SCHEMA } from "../../src/schema.js";
import { contentOf, fillStore } from "./store-content.js";

const name = `schema-${String(SCHEMA.log.length)}.${String(SCHEMA.state.length)}`;
const directory = fileURLToPath(new URL(`../../testdata/${name}`, import.meta.url));
if (existsSync(directory)) throw new Error(`${name} is recorded, and must stay as it is`);
await fillStore(directory);
writeFileSync(join(directory, "content.json"), JSON.stringify(await contentOf(directory), null, 2));
rmSync(join(directory, "lock.db"));
