// The protocol of the warm cache (examples/protocols/warm-cache.ts). The real code refines it: each
// transition of the small machine of lab/scope is a step of the protocol.
import { describe, expect, it } from 'vitest';
import { NEEDS, SIZE, warmCache, type Fault } from '../../examples/protocols/warm-cache.ts';
import { search } from '../../src/lab/protocol/index.ts';
import { SMALL } from '../../src/lab/scope/ablations.ts';
import { type Scope, scopeOptions } from '../../src/lab/scope/options.ts';
import { search as searchScope } from '../../src/lab/scope/search.ts';
import type { Without } from '../../src/lab/scope/stored-world.ts';
import { casesOf } from '../support/product.ts';
import { playsWhole } from '../support/property.ts';
import { compareAll } from './warm-cache-scope.ts';

const EVENTS: Scope['events'] = ['store', 'map', 'unlink', 'io-error', 'reload', 'elsewhere'];
/** One frame, one page, two blocks, one restart, one fault of the disk, and all that happens. */
const SCOPE: Scope = { ...SMALL, faults: 1, events: EVENTS };
const TWO_FRAMES: Scope = { ...SCOPE, frames: 2 };

/** What the real code has a switch for: a protection, or else a rule that the lab takes away. */
const PROTECTIONS: readonly string[] = ['writeProtection', 'provenance', 'blockCheck', 'generation', 'deviceIdentity'];

/** The real code without what a fault of the protocol takes away. */
const without = (fault: Fault): Without =>
  PROTECTIONS.includes(fault) ? { protections: { [fault]: false } } : { rules: { [fault]: false } };

const scopeFor = (fault: Fault): Scope => ({ ...SCOPE, ...NEEDS[fault] });
/** Rows of a table, of which `npm test` plays some. */
const someOf = <T>(part: string, sample: number, rows: readonly T[]): readonly T[] =>
  casesOf('the protocol of the warm cache', part, rows, { sample });
/** What shows a claim that is wrong lies deeper. With fewer events it is found sooner. */
const DEEP: Partial<Scope> = { faults: 0, events: ['map', 'unlink'] };

describe('the real code', () => {
  it('each transition of a small machine is one step of the protocol, and each step is met', () => {
    const whole = { isComplete: true, states: 28_164, transitions: 145_559 };
    const sample = { isComplete: false, states: 6000, transitions: 20_004 };
    const isWhole = playsWhole('a small machine and its protocol');
    const expected = isWhole ? whole : sample;
    const { found, changes, stutters, wrong, uncovered } = compareAll(SCOPE, isWhole ? whole.states + 1 : 6000);
    expect(wrong).toBeUndefined();
    expect(found).toMatchObject(expected);
    expect({ changes, stutters, uncovered }).toEqual({ changes: expected.transitions, stutters: 0, uncovered: [] });
  });

  const larger: [string, Scope, number, number][] = [
    ['two frames', TWO_FRAMES, 1500, 100_000],
    ['two frames that start warm', { ...TWO_FRAMES, start: 'warm' }, 1500, 100_000],
    ['two transfers', { ...TWO_FRAMES, transfers: 2, start: 'warm' }, 1500, 100_000],
    ['two pages of a file', { ...TWO_FRAMES, pages: 2, reboots: 2, events: ['store', 'map', 'reload'] }, 1500, 100_000],
    ['two files', { ...TWO_FRAMES, files: 2, start: 'warm' }, 1500, 100_000],
  ];
  it.each(someOf('larger machines', 2, larger))(
    'each transition of one with %s is one step, too',
    (name, scope, sample, states) => {
      const { found, changes, stutters, wrong } = compareAll(
        scope,
        playsWhole(`a machine with ${name} and its protocol`) ? states : sample,
      );
      expect(wrong).toBeUndefined();
      expect(changes).toBe(found.transitions);
      expect(changes).toBeGreaterThan(2 * found.states);
      expect(stutters).toBe(0);
    },
  );

  const steps = [
    ['writeProtection', 'the guest stores to frame 0'],
    ['provenance', 'the guest shuts down, and its frames are left for the next hypervisor'],
    ['blockCheck', 'the guest claims page 0 of file 0 for block 0, and takes the frame over'],
    ['generation', 'the guest claims page 0 of file 0 for block 0, and takes the frame over'],
    ['deviceIdentity', 'the frames of the dead guest are judged'],
    ['protectAtSubmission', 'the guest stores to frame 0'],
    ['otherWrites', 'the guest submits a write of frame 0 to block 0'],
    ['overlaps', 'the guest submits a read of block 0 into frame 0'],
    ['failedTransfers', 'the read of block 0 into frame 0 fails'],
    ['drain', 'the guest shuts down, and its frames are left for the next hypervisor'],
    ['revokeFirst', 'the old guest, which still runs, stores to frame 0'],
  ] as const;
  it.each(someOf('steps of the real code', 3, steps))(
    'a small machine without `%s` takes a step that the protocol has not: %s',
    (fault, step) => {
      const more = fault === 'blockCheck' || fault === 'generation' ? DEEP : {};
      const { wrong, broken } = compareAll({ ...scopeFor(fault), ...more }, 100_000, without(fault));
      expect(wrong).toBe(step);
      expect(broken?.from).not.toEqual(broken?.to);
      expect(broken?.possible.length).toBeGreaterThan(0);
    },
  );
});

describe('the protocol', () => {
  it('the protocol without faults keeps its laws, over all of its states', () => {
    const { verdict, unreached, states, transitions } = search(warmCache());
    expect({ verdict, unreached, states, transitions }).toEqual({
      ...{ verdict: 'passed', unreached: [] },
      ...{ states: 52_272, transitions: 385_770 },
    });
  });

  const takeovers = [
    ['writeProtection', 8],
    ['provenance', 4],
    ['blockCheck', 7],
    ['deviceIdentity', 8],
    ['protectAtSubmission', 8],
    ['otherWrites', 9],
    ['overlaps', 10],
    ['failedTransfers', 6],
    ['revokeFirst', 8],
  ] as const;
  it.each(someOf('takeovers', 3, takeovers))(
    'a wrong page is taken over with the fault `%s` in %i steps, as by the real code',
    (fault, steps) => {
      const { broken, counterexample } = search(warmCache(), { faults: [fault] });
      expect(broken).toEqual(['takeover']);
      expect(counterexample?.steps.length).toBe(steps);
      const { violation } = searchScope(scopeOptions({ ...scopeFor(fault) }), without(fault));
      expect(violation?.law).toBe('takeover');
      expect(violation?.history.length).toBe(steps);
    },
  );

  it.each([
    ['drain', 'drained', 2],
    ['generation', 'one generation', 9],
    ['duplicates', 'one frame', 10],
  ] as const)('the fault `%s` breaks the law `%s` in %i steps', (fault, law, steps) => {
    const { broken, counterexample } = search(warmCache(), { faults: [fault] });
    expect(broken).toEqual([law]);
    expect(counterexample?.steps.length).toBe(steps);
  });

  it('of frames that are judged too early the real code says so when the bytes arrive, two steps later', () => {
    const { violation } = searchScope(scopeOptions({ ...SCOPE }), without('drain'));
    expect(violation).toMatchObject({ law: 'stray', history: { length: 4 } });
  });

  it('a page of a deleted file that equals its block breaks no law of the real code', () => {
    const { violation, isComplete } = searchScope(scopeOptions({ ...SCOPE }), without('generation'));
    expect({ violation, isComplete }).toEqual({ violation: undefined, isComplete: true });
  });

  const needs = [
    ['otherWrites', 32_301],
    ['overlaps', 9977],
    ['duplicates', 46_373],
  ] as const;
  it.each(someOf('what a fault needs', 1, needs))(
    'what the fault `%s` needs breaks no law that long without the fault',
    (fault, states) => {
      const depth = warmCache().faults![fault].within;
      const { broken, coverage, ...found } = search(warmCache({ ...SIZE, ...NEEDS[fault] }), { depth });
      expect({ broken, depth: coverage.depth, states: found.states }).toEqual({ broken: [], depth, states });
    },
  );
});
