// Protections that are switched off: the check finds what they keep away, and shows it again.
import { describe, expect, it } from 'vitest';
import { crashCheck } from '../../../src/lab/crash/index.ts';
import type { Violation } from '../../../src/lab/part.ts';

const ABLATIONS = [
  { without: ['writeProtection'], workload: 'rename-over', strategy: 'warm-cache+metadata', fs: 'ext3' },
  { without: ['provenance'], workload: 'mixed', strategy: 'warm-cache+metadata', fs: 'ext3' },
  { without: ['writeProtection'], workload: 'mixed', strategy: 'warm-cache', fs: 'ext2' },
] as const;

function violations(options: Record<string, unknown>): readonly Violation[] {
  const to = crashCheck.count(options);
  return crashCheck.play({ check: 'crash', options, from: 0, to }, () => true).violations;
}

/** The options that a replay line says. */
function optionsOf(replay: string): Record<string, unknown> {
  const words = replay
    .replace(/^stillwarm check crash /, '')
    .split(/\s*--/)
    .slice(1);
  const { kind, seed, without, ...rest } = Object.fromEntries(words.map((word) => word.split(' '))) as Record<
    string,
    string
  >;
  return { ...rest, kinds: [kind], seed: Number(seed), without: without === undefined ? [] : [without] };
}

describe('a protection that is switched off', () => {
  it.each(ABLATIONS)('a protection that is off is missed, and the replay line shows the same again: %o', (options) => {
    const kinds = { kinds: ['guest'], crash: { sample: 25 } };
    const found = violations({ ...options, ...kinds });
    expect(found.length).toBeGreaterThan(0);
    const { law, what, replay, history } = found[0]!;
    expect(history.length).toBeGreaterThan(0);
    expect(history.length).toBeLessThanOrEqual(12);
    const again = violations(optionsOf(replay));
    expect(again).toContainEqual({ at: 0, law, what, replay, history });
    // With the protection, the same moment is harmless.
    expect(violations({ ...optionsOf(replay), without: [] })).toEqual([]);
  });
});
