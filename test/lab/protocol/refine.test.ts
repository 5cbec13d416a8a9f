// Refinement: whether runs of a real system are histories of a protocol.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/index.ts';
import { type Plain, protocol, refines } from '../../../src/lab/protocol/index.ts';

interface Door {
  isOpen: boolean;
  isLocked: boolean;
  /** How often it was opened. */
  count: number;
}

/** A door that is opened three times at most; with the fault, a burglar breaks the lock. */
const DOOR = protocol<Door, 'burglar'>({
  name: 'door',
  what: 'A door with a lock.',
  faults: { burglar: { what: 'A locked door can be opened.', breaks: 'locked', within: 2 } },
  build: (has) => ({
    initial: { isOpen: false, isLocked: false, count: 0 },
    actors: {
      owner: {
        open: {
          when: ({ isOpen, isLocked, count }) => !isOpen && count < 3 && (!isLocked || has('burglar')),
          do: (s) => {
            s.isOpen = true;
            s.count++;
          },
        },
        close: { when: ({ isOpen }) => isOpen, do: (s) => void (s.isOpen = false) },
        turn: { each: ['left', 'right'], when: ({ isOpen }, way) => !isOpen && way !== '', do: turn },
      },
    },
    events: { fire: { survives: ['count'], then: (s) => void (s.isOpen = true) } },
    laws: { always: { locked: ({ isOpen, isLocked }) => !(isOpen && isLocked) } },
  }),
});

function turn(s: Door, way: Plain): void {
  s.isLocked = way === 'left';
}

const door = (isOpen: boolean, isLocked: boolean, count: number) => ({ isOpen, isLocked, count });
const [SHUT, OPEN, LOCKED] = [door(false, false, 0), door(true, false, 1), door(false, true, 0)];

describe('a run of a real system', () => {
  it('a run whose changes are steps refines the protocol, and the steps are counted', () => {
    const run = [SHUT, SHUT, LOCKED, SHUT, OPEN, door(false, false, 1)];
    expect(refines(DOOR, [run, [SHUT, OPEN]])).toEqual({
      changes: 6,
      stutters: 1,
      covered: { 'owner.open': 2, 'owner.close': 1, 'owner.turn': 2, fire: 0 },
      uncovered: ['fire'],
    });
  });

  it('a change that is no step is named, with what was possible', () => {
    const { broken, changes } = refines(DOOR, [
      [SHUT, OPEN],
      [SHUT, LOCKED, door(true, true, 1), SHUT],
    ]);
    expect(broken).toEqual({
      ...{ run: 1, at: 2, from: LOCKED, to: door(true, true, 1) },
      possible: ['owner.turn(left)', 'owner.turn(right)', 'fire'],
    });
    expect(changes).toBe(3);
  });

  it('with a fault its steps are steps of the protocol', () => {
    const run = [LOCKED, door(true, true, 1)];
    expect(refines(DOOR, [run]).broken?.at).toBe(1);
    expect(refines(DOOR, [run], { faults: ['burglar'] }).broken).toBeUndefined();
  });

  it('an event explains a change as often as it happens', () => {
    const fired = door(true, false, 0);
    const { covered, broken } = refines(DOOR, [[LOCKED, fired, SHUT, fired, SHUT, fired]]);
    expect(broken).toBeUndefined();
    expect(covered).toMatchObject({ fire: 3, 'owner.close': 2 });
  });

  it('a change of two steps is explained within two', () => {
    const run = [LOCKED, OPEN];
    expect(refines(DOOR, [run]).broken?.at).toBe(1);
    const { broken, covered } = refines(DOOR, [run], { within: 2 });
    expect(broken).toBeUndefined();
    expect(covered).toMatchObject({ 'owner.turn': 1, 'owner.open': 1, 'owner.close': 0 });
  });

  it('a run of which little is seen is explained while one state is left that looks so', () => {
    const options = { sees: ({ isOpen }: Door) => isOpen, within: 2 };
    // A fire opens the door as often as it likes: without it the fourth time would be one too many.
    const times = (count: number): boolean[] => Array.from({ length: 2 * count }, (_, n) => n % 2 === 1);
    const { covered, broken } = refines(DOOR, [times(5)], options);
    expect(broken).toBeUndefined();
    expect(covered['owner.close']).toBe(4);
    const sober = protocol<Door>({
      ...{ name: 'door', what: 'A door that does not burn.' },
      build: () => ({ ...DOOR.build(() => false), events: {} }),
    });
    expect(refines(sober, [times(3)], options).broken).toBeUndefined();
    expect(refines(sober, [times(4)], options).broken).toMatchObject({ at: 7, from: false, to: true });
  });

  it('a run of which little is seen begins in the first state', () => {
    const { broken } = refines(DOOR, [[true]], { sees: ({ isOpen }: Door) => isOpen });
    expect(broken).toEqual({ run: 0, at: 0, from: null, to: true, possible: [] });
  });

  it.each<[string, Plain, string]>([
    [
      'other parts',
      { isOpen: true },
      'observed: expected a state of the protocol, with the parts count, isLocked, isOpen',
    ],
    ['no record', 7, 'observed: expected a state of the protocol, with the parts count, isLocked, isOpen'],
    ['a fraction', { ...SHUT, count: 0.5 }, 'observed.count is 0.5, which is no integer below 2^53'],
  ])('an observation with %s is a mistake', (_, observed, message) => {
    expect(() => refines(DOOR, [[observed]])).toThrow(new ArgumentError(message));
  });

  it('options that cannot be are mistakes', () => {
    const mistaken = (options: object) => () => refines(DOOR, [], options);
    expect(mistaken({ faults: ['thief'] })).toThrow(/options.faults: thief/);
    expect(mistaken({ within: 9 })).toThrow(/options.within/);
    expect(mistaken({ sees: 1 })).toThrow(/options.sees/);
    expect(mistaken({ depth: 1 })).toThrow(/depth/);
    for (const runs of [7, [7]]) expect(() => refines(DOOR, runs as never)).toThrow(/^runs: expected/);
  });

  it('a protocol that throws is a mistake that names the step', () => {
    const broken = protocol<{ n: number }>({
      ...{ name: 'broken', what: 'It throws.' },
      build: () => ({
        initial: { n: 0 },
        actors: {
          a: {
            b: {
              do: () => {
                throw new Error('no');
              },
            },
          },
        },
        laws: {},
      }),
    });
    expect(() => refines(broken, [[{ n: 0 }, { n: 1 }]])).toThrow(/^protocol: a\.b: it throws Error: no/);
  });
});
