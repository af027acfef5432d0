// Loaded with --import before anything else: plants one mutant, given as JSON in this URL's query.
import { register } from "node:module";

const mutant = JSON.parse(new URL(import.meta.url).searchParams.get("mutant"));
register("./hooks.mjs", import.meta.url, { data: mutant });
