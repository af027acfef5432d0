import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Composition } from "./world/simulated-server.js";

/** The server under test: the shipped one, or what a module exports as `composition`. */
export async function loadComposition(file: string | undefined): Promise<Composition> {
  const url = file === undefined ? "./composition.js" : pathToFileURL(resolve(file)).href;
  const module = (await import(url)) as { readonly composition?: Composition };
  if (module.composition === undefined) throw new Error(`${url} exports no composition`);
  return module.composition;
}
