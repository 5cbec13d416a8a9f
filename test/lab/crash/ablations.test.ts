// Each protection that is switched off is missed at one step of one workload.
// The corpus has the case.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  CRASH_ABLATIONS,
  type CrashCorpusEntry,
  crashCorpusText,
  NOT_CRASHED,
} from '../../../src/lab/crash/ablations.ts';
import { crashCheck } from '../../../src/lab/crash/index.ts';
import { GUARDS } from '../../../src/lab/crash/options.ts';
import type { Violation } from '../../../src/lab/part.ts';
import { casesOf } from '../../support/product.ts';
import { playsWhole } from '../../support/property.ts';

const FOLDER = new URL('../../../data/corpus/', import.meta.url);
const fileOf = (name: string): URL => new URL(`crash-${name}.json`, FOLDER);

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
  return { ...rest, kinds: [kind], seed: Number(seed), without: without!.split(',') };
}

describe('a protection that is switched off', () => {
  const update = process.env['UPDATE_DOCS'] === '1';
  const played = casesOf('a protection against crashes that is switched off', '', CRASH_ABLATIONS, { sample: 4 });
  it.each((update ? CRASH_ABLATIONS : played).map((each) => [each.name, each] as const))(
    'a law breaks without %s at the step that the corpus says, and at this step none breaks with it',
    (name, ablation) => {
      if (update) writeFileSync(fileOf(name), crashCorpusText(ablation));
      const text = readFileSync(fileOf(name), 'utf8');
      expect(text).toBe(crashCorpusText(ablation));
      const { law, what, replay, case: one } = JSON.parse(text) as CrashCorpusEntry;
      const options = optionsOf(replay);
      expect(options).toEqual({ ...one.options, without: [...one.without, ...one.control] });
      const found = violations(options).find((violation) => violation.law === law);
      expect(found).toMatchObject({ at: 0, what, replay });
      expect(found!.history.length).toBeGreaterThan(0);
      expect(found!.history.length).toBeLessThanOrEqual(12);
      expect(violations({ ...one.options, at: one.controlAt, without: one.control })).toEqual([]);
      // The other one of a pair suffices.
      if (one.control.length > 0) expect(violations({ ...one.options, without: one.without })).toEqual([]);
    },
  );

  // Thousands of cases.
  const earlier = CRASH_ABLATIONS.filter(({ name, at }) => at.length === 1 && playsWhole(`earlier than ${name}`));
  if (earlier.length > 0)
    it.each(earlier.map((each) => [each.name, each] as const))(
      'no law breaks without %s at an earlier step than the one in the corpus',
      (_name, ablation) => {
        const { replay } = JSON.parse(crashCorpusText(ablation)) as CrashCorpusEntry;
        const { at: _at, ...options } = optionsOf(replay);
        const all = crashCheck.count(options);
        let first: Violation | undefined;
        for (let from = 0; from < all && first === undefined; from += 50) {
          const part = { check: 'crash', options, from, to: Math.min(all, from + 50) };
          first = crashCheck.play(part, () => true).violations[0];
        }
        expect(first?.replay).toBe(replay);
      },
    );

  it('every protection and every rule of the guest is an ablation, or one that no crash shows', () => {
    const named = [...CRASH_ABLATIONS, ...NOT_CRASHED].map(({ name }) => name);
    expect(new Set(named).size).toBe(named.length);
    expect(named).toEqual(expect.arrayContaining([...GUARDS]));
    const files = readdirSync(FOLDER).filter((file) => file.startsWith('crash-'));
    expect(files.sort()).toEqual(CRASH_ABLATIONS.map(({ name }) => `crash-${name}.json`).sort());
  });
});
