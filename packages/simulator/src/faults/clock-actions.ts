import type { FaultKind } from "../coverage.js";
import type { ClockFaults } from "../engine/node-host.js";
import type { RandomStream } from "../engine/random-stream.js";
import type { FaultAction } from "./nemesis.js";

function onClock(
  kind: FaultKind,
  draw: (random: RandomStream) => Partial<ClockFaults>,
  undo: Partial<ClockFaults>,
): FaultAction {
  return {
    kind,
    durationMs: [1000, 20_000],
    begin: (nemesis) => {
      const { id, host } = nemesis.anyNode();
      const change = draw(nemesis.random);
      nemesis.line(`${kind} at n${id}: ${JSON.stringify(change)}`);
      host.clock.set(change);
      return () => host.clock.set(undo);
    },
  };
}

const HOUR_MS = 3_600_000;

export const clockActions: readonly FaultAction[] = [
  onClock("F34 clock jump", (random) => ({ wallOffsetMs: random.between(-HOUR_MS, HOUR_MS) }), {
    wallOffsetMs: 0,
  }),
  onClock("F35 skew", (random) => ({ wallOffsetMs: random.between(-5000, 5000) }), {
    wallOffsetMs: 0,
  }),
  onClock("F36 rate drift", (random) => ({ rate: random.between(0.8, 1.25) }), { rate: 1 }),
  onClock("F37 timer starvation", (random) => ({ timerLateMs: random.pick([20, 200, 900]) }), {
    timerLateMs: 0,
  }),
];
