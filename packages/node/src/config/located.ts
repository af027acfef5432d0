/** A tree of settings as one source gives it, not yet checked. */
export type RawSettings = Readonly<Record<string, unknown>>;

/** Where a value comes from. */
export type Origin =
  | { readonly kind: "default" }
  /** Given by the program that embeds the node. */
  | { readonly kind: "program" }
  | { readonly kind: "file"; readonly file: string; readonly line: number }
  | { readonly kind: "environment"; readonly name: string }
  | { readonly kind: "flag"; readonly name: string }
  /** Computed from other settings. */
  | { readonly kind: "derived"; readonly from: string };

export type Scalar = string | number | boolean | null;

/** A tree of settings in which every value knows its origin. */
export type Located = { readonly origin: Origin } & (
  | { readonly kind: "scalar"; readonly value: Scalar }
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, Located> }
  | { readonly kind: "list"; readonly items: readonly Located[] }
);

export type LocatedObject = Extract<Located, { readonly kind: "object" }>;

/** As people read it; empty for what the program itself gave. */
export function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case "default":
      return "default";
    case "program":
      return "";
    case "file":
      return `${origin.file}:${origin.line}`;
    case "environment":
    case "flag":
      return origin.name;
    case "derived":
      return `derived from ${origin.from}`;
  }
}

/** Of plain values; those that are undefined are left out. */
export function locate(
  value: unknown,
  originOf: (path: readonly string[]) => Origin,
  path: readonly string[] = [],
): Located {
  const origin = originOf(path);
  if (Array.isArray(value)) {
    const items = value.map((item, i) => locate(item, originOf, [...path, String(i)]));
    return { kind: "list", items, origin };
  }
  if (typeof value === "object" && value !== null) {
    return locateFields(Object.entries(value), originOf, path);
  }
  return { kind: "scalar", value: value as Scalar, origin };
}

export function locateObject(
  settings: RawSettings,
  originOf: (path: readonly string[]) => Origin,
): LocatedObject {
  return locateFields(Object.entries(settings), originOf, []);
}

function locateFields(
  entries: readonly (readonly [string, unknown])[],
  originOf: (path: readonly string[]) => Origin,
  path: readonly string[],
): LocatedObject {
  const given = entries.filter(([, value]) => value !== undefined);
  const fields = given.map(
    ([key, value]) => [key, locate(value, originOf, [...path, key])] as const,
  );
  return { kind: "object", fields: new Map(fields), origin: originOf(path) };
}

export function plainOf(located: Located): unknown {
  switch (located.kind) {
    case "scalar":
      return located.value;
    case "list":
      return located.items.map(plainOf);
    case "object":
      // Defines even "__proto__" as a key like any other, so that the check can refuse it.
      return Object.fromEntries([...located.fields].map(([key, field]) => [key, plainOf(field)]));
  }
}

/** Later settings win; objects are merged key by key, lists are replaced. */
export function mergeLocated(under: LocatedObject, over: LocatedObject): LocatedObject {
  const fields = new Map(under.fields);
  for (const [key, value] of over.fields) {
    const below = fields.get(key);
    const areBoth = below?.kind === "object" && value.kind === "object";
    fields.set(key, areBoth ? mergeLocated(below, value) : value);
  }
  return { kind: "object", fields, origin: over.origin };
}

/** The value at a path, or undefined. */
export function valueAt(located: Located, path: readonly PropertyKey[]): Located | undefined {
  let at: Located | undefined = located;
  for (const step of path) {
    if (at?.kind === "object") at = at.fields.get(String(step));
    else if (at?.kind === "list") at = at.items[Number(step)];
    else return undefined;
  }
  return at;
}

/** The origin of the value at a path, or of the nearest one around it that is not the root. */
export function originAt(located: Located, path: readonly PropertyKey[]): Origin | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const found = valueAt(located, path.slice(0, length));
    if (found !== undefined) return found.origin;
  }
  return undefined;
}
