// A process of its own under the shim: opens a recorded store with two more steps.
import { reopen } from "../crash/reopen.js";
import { LATER_SCHEMA } from "./later-schema.js";

const [directory = ""] = process.argv.slice(2);
reopen(directory, LATER_SCHEMA);
