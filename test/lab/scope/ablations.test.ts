import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { crashAblationsPage } from '../../../src/lab/crash/index.ts';
import { ABLATIONS, NOT_SHOWN, withoutOf } from '../../../src/lab/scope/ablations.ts';
import { protectionsPage, scopeCheck, SCOPES } from '../../../src/lab/scope/index.ts';
import { ALL_RULES } from '../../../src/lab/scope/rules.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import { DEFAULT_PROTECTIONS } from '../../../src/xen/protections.ts';
import { casesOf } from '../../support/product.ts';
import { playsLaws, runsFactor } from '../../support/property.ts';

const FILE = 'docs/reference/protections.md';
const FIRST = Object.keys(SCOPES).length;
/** States of a scope in which every refusal is met, and those to which the widest is searched. */
const LEAST = 16_000;
const WHOLE = 10_000_000;

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

  // In a run of the laws each scope is searched to its end, or to 10^7 states.
  it('the house breaks no law in any scope, and meets a page that is taken over and each reason for a refusal', () => {
    const names = Object.keys(SCOPES);
    const states = playsLaws() ? WHOLE : Math.min(WHOLE, Math.round(LEAST * runsFactor()));
    const played = casesOf('the states of small scopes', '', names, { sample: FIRST, whole: FIRST });
    const reached = new Map<string, number>();
    for (const name of played) {
      const at = names.indexOf(name);
      const { violations, counts, ...result } = play({ states }, at, at + 1);
      expect([name, violations]).toEqual([name, []]);
      if (states === WHOLE) expect([name, counts['complete']]).toEqual([name, name === 'wide' ? 0 : 1]);
      for (const [what, times] of Object.entries(result.reached)) reached.set(what, (reached.get(what) ?? 0) + times);
    }
    if (played.length === names.length && states >= LEAST)
      for (const [what, times] of reached) expect([what, times > 0]).toEqual([what, true]);
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

it(`the page ${FILE} is what search and crashes find; UPDATE_DOCS=1 writes it`, () => {
  const page = `${protectionsPage()}\n${crashAblationsPage()}`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, page);
  expect(readFileSync(FILE, 'utf8')).toBe(page);
});
