import type { Run, ServerCosts, ServerRole } from "./measure.js";

/** Of one figure over several runs. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface RoleSummary {
  readonly cpuMicrosPerWrite: Spread;
  readonly syncsPerWrite: Spread;
  readonly residentMiB: Spread;
}

export interface ShapeSummary {
  readonly shape: string;
  readonly writesPerSecond: Spread;
  readonly latencyMs: { readonly median: Spread; readonly p99: Spread; readonly max: Spread };
  /** Followers together; without an entry for them when the leader is alone. */
  readonly servers: Partial<Record<ServerRole, RoleSummary>>;
  readonly clientCpuMicrosPerWrite: Spread;
  readonly errors: Readonly<Record<string, number>>;
}

export interface LoadSummary {
  readonly runs: number;
  readonly coldStartMs: Spread;
  readonly coldStartCpuSeconds: Spread;
  readonly idleMiB: Spread;
  readonly shapes: readonly ShapeSummary[];
}

export function summaryOf(runs: readonly Run[]): LoadSummary {
  const shapes = runs[0]?.shapes.map(({ shape }) => shape) ?? [];
  return {
    runs: runs.length,
    coldStartMs: spreadOf(runs.map(({ coldStartMs }) => coldStartMs)),
    coldStartCpuSeconds: spreadOf(runs.flatMap((run) => run.coldStartCpuSeconds)),
    idleMiB: spreadOf(runs.flatMap(({ idleMiB }) => idleMiB)),
    shapes: shapes.map((_, i) => shapeOf(runs, i)),
  };
}

function shapeOf(runs: readonly Run[], at: number): ShapeSummary {
  const shapes = runs.flatMap((run) => run.shapes[at] ?? []);
  const servers = shapes.flatMap((shape) => shape.servers);
  const roles = (["leader", "follower"] as const).filter((role) =>
    servers.some((server) => server.role === role),
  );
  const errors: Record<string, number> = {};
  for (const [code, count] of shapes.flatMap((shape) => Object.entries(shape.errors))) {
    errors[code] = (errors[code] ?? 0) + count;
  }
  return {
    shape: shapes[0]?.shape ?? "",
    writesPerSecond: spreadOf(shapes.map(({ writesPerSecond }) => writesPerSecond)),
    latencyMs: {
      median: spreadOf(shapes.map(({ latencyMs }) => latencyMs.median)),
      p99: spreadOf(shapes.map(({ latencyMs }) => latencyMs.p99)),
      max: spreadOf(shapes.map(({ latencyMs }) => latencyMs.max)),
    },
    servers: Object.fromEntries(
      roles.map((role) => [role, roleOf(servers.filter((server) => server.role === role))]),
    ),
    clientCpuMicrosPerWrite: spreadOf(shapes.map((shape) => shape.clientCpuMicrosPerWrite)),
    errors,
  };
}

function roleOf(servers: readonly ServerCosts[]): RoleSummary {
  return {
    cpuMicrosPerWrite: spreadOf(servers.map((server) => server.cpuMicrosPerWrite)),
    syncsPerWrite: spreadOf(servers.map((server) => server.syncsPerWrite)),
    residentMiB: spreadOf(servers.map((server) => server.residentMiB)),
  };
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? 0;
  const high = sorted[Math.floor(middle)] ?? 0;
  return {
    median: rounded((low + high) / 2),
    min: rounded(sorted[0] ?? 0),
    max: rounded(sorted.at(-1) ?? 0),
  };
}

/** Three digits of what is below a thousand: more would be noise. */
function rounded(value: number): number {
  return value >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** For people: medians, and the range in brackets where there is one. */
export function linesOf(summary: LoadSummary): string {
  const lines = [
    `cold start to first write ${spread(summary.coldStartMs)} ms, ` +
      `${spread(summary.coldStartCpuSeconds)} CPU s a server; ` +
      `idle ${spread(summary.idleMiB)} MiB`,
  ];
  for (const { shape, writesPerSecond, latencyMs, ...rest } of summary.shapes) {
    const { median, p99, max } = latencyMs;
    lines.push(
      `${shape.padEnd(7)} ${spread(writesPerSecond)} writes/s; ` +
        `p50 ${spread(median)} ms, p99 ${spread(p99)}, max ${spread(max)}`,
    );
    for (const [role, costs] of Object.entries(rest.servers)) {
      lines.push(
        `  ${role.padEnd(9)} ${spread(costs.cpuMicrosPerWrite)} CPU us/write, ` +
          `${spread(costs.syncsPerWrite)} syncs/write, ${spread(costs.residentMiB)} MiB`,
      );
    }
    lines.push(`  client    ${spread(rest.clientCpuMicrosPerWrite)} CPU us/write`);
    if (Object.keys(rest.errors).length > 0) lines.push(`  errors ${JSON.stringify(rest.errors)}`);
  }
  return `${lines.join("\n")}\n`;
}

function spread({ median, min, max }: Spread): string {
  return min === max ? String(median) : `${median} [${min}..${max}]`;
}
