// The layer of each package, as docs/architecture.md section 1 draws it. A package imports strictly
// lower layers; siblings meet through protocol.

export const layerOf = new Map([
  ["protocol", 0],
  ["codec", 1],
  ["election", 1],
  ["sync", 1],
  ["broadcast", 1],
  ["znode", 1],
  ["commit-log", 2],
  ["transport", 2],
  ["server", 2],
  ["zookeeper", 2],
  ["node", 3],
  ["client", 3],
  ["load", 3],
  ["cli", 4],
]);

/** Never published: they may import anything, and nothing shipped imports them. */
export const privatePackages = ["testkit", "simulator", "bench", "examples"];

/** The private packages that the tests of a shipped package may import. */
export const testOnlyPackages = ["testkit"];

/**
 * Packages that know the world through ports alone: layers 0 and 1, and `server`. The simulator
 * runs their shipped code over a virtual clock, network and disk, which works only so.
 */
export const portsOnlyPackages = [...layerOf]
  .filter(([name, layer]) => layer <= 1 || name === "server")
  .map(([name]) => name);

export const scope = "@quorate/";
