import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ABLATIONS, NOT_SHOWN, withoutOf } from '../../../src/lab/scope/ablations.ts';
import { protectionsPage, scopeCheck, SCOPES } from '../../../src/lab/scope/index.ts';
import { ALL_RULES } from '../../../src/lab/scope/rules.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import { DEFAULT_PROTECTIONS } from '../../../src/xen/protections.ts';
import { isWhole } from '../../support/product.ts';

const FILE = 'docs/reference/protections.md';
const FIRST = Object.keys(SCOPES).length;

function play(options: Readonly<Record<string, unknown>>, from = 0, to = scopeCheck.count(options)): PartResult {
  return scopeCheck.play({ check: 'scope', options, from, to }, () => true);
}

describe('each ablation', () => {
  it.each(ABLATIONS.map(({ name, law, steps }, i) => [name, law, steps, FIRST + i] as const))(
    'the lab without %s breaks the law %s in %i steps, and keeps it that long with it',
    (_, _law, _steps, at) => {
      expect(play({}, at, at + 1)).toMatchObject({ done: 1, violations: [], counts: { ablations: 1 } });
    },
  );

  it('every protection and every rule is an ablation, or one that no small scope can show', () => {
    const named = new Set([...ABLATIONS, ...NOT_SHOWN].map(({ name }) => name));
    for (const name of [...Object.keys(DEFAULT_PROTECTIONS), ...Object.keys(ALL_RULES)]) expect(named).toContain(name);
    expect(named.size).toBe(ABLATIONS.length + NOT_SHOWN.length);
  });

  it('an ablation takes away what it is called, and leaves it in its control run', () => {
    for (const ablation of ABLATIONS.filter(({ kind }) => kind !== 'design')) {
      const { ablated, control } = withoutOf(ablation);
      const isOff = ({ protections, rules }: typeof ablated): boolean =>
        ({ ...DEFAULT_PROTECTIONS, ...ALL_RULES, ...protections, ...rules })[ablation.name] === false;
      expect([ablation.name, isOff(ablated), isOff(control)]).toEqual([
        ablation.name,
        true,
        // Checksums are off by default.
        false,
      ]);
    }
  });
});

describe('check scope', () => {
  it('one ablation that is asked for is a violation with its history and the line that shows it again', () => {
    const { violations, counts, done } = play({ without: 'scrub' });
    expect(done).toBe(1);
    expect(counts['states']).toBeGreaterThan(0);
    expect(violations).toEqual([
      {
        at: 0,
        law: 'blank',
        what: 'a frame is handed on with the bytes of its last owner',
        replay: 'stillwarm check scope --without scrub',
        history: ['the guest stores to frame 0', 'the guest gives frame 0 back', 'the other guest is given frame 0'],
      },
    ]);
  });

  // Each scope to its end or to 10^7 states in a run of the laws.
  const bounds = { sample: 1, whole: FIRST };
  it('the house breaks no law in any scope, and meets a page that is taken over and each reason for a refusal', () => {
    const { reached, counts, violations } = play({ states: isWhole(bounds) ? 10_000_000 : 16_000 }, 0, FIRST);
    expect(violations).toEqual([]);
    expect(counts['scopes']).toBe(FIRST);
    if (isWhole(bounds)) expect(counts['complete']).toBe(FIRST - 1);
    for (const [name, times] of Object.entries(reached)) expect([name, times > 0]).toEqual([name, true]);
  });

  it('a case that the budget cuts off is not counted as done', () => {
    let asked = 0;
    const part = { check: 'scope', options: {}, from: 0, to: 2 };
    const result = scopeCheck.play(part, () => ++asked < 3);
    expect(result.done).toBe(0);
    expect(result.counts['states']).toBeGreaterThan(0);
  });

  it.each([
    [{ without: 'nothing' }, 'without: "nothing" is none of'],
    [{ scope: 'huge' }, 'scope: "huge" is none of'],
    [{ frames: 9 }, 'frames: expected an integer, 1 to 5'],
    [{ frames: 1 }, 'frames: the guest that reboots has none'],
    [{ events: ['rain'] }, 'events: '],
    [{ events: 'store' }, 'events: not a list of names'],
    [{ guest: 'windows' }, 'guest: '],
    [{ start: 'hot' }, 'start: '],
    [{ states: 0 }, 'states: expected an integer'],
    [{ symmetry: 1 }, 'symmetry: neither true nor false'],
    [{ colour: 'red' }, 'colour: '],
  ])('options %j are refused with their name', (options, message) => {
    expect(() => scopeCheck.count(options)).toThrow(message);
  });
});

it(`the page ${FILE} is what the search finds; UPDATE_DOCS=1 writes it`, () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, protectionsPage());
  expect(readFileSync(FILE, 'utf8')).toBe(protectionsPage());
});
