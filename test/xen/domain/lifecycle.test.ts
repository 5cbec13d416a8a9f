// The life of a domain: every event in every state, legal and illegal.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DONE, InvariantViolation } from '../../../src/base/index.ts';
import { Simulation } from '../../../src/sim/index.ts';
import {
  endOf,
  GUEST_EVENTS,
  isHeld,
  LIFE_STATES,
  lifeAfter,
  Lifecycle,
  type LifeEvent,
  type LifeState,
  type Operation,
  OPERATIONS,
  STEPS,
} from '../../../src/xen/domain/lifecycle.ts';

const OPERATION_NAMES = Object.keys(OPERATIONS) as Operation[];
const EVENTS: readonly LifeEvent[] = [...OPERATION_NAMES, ...GUEST_EVENTS, ...STEPS];

/** Letters of the states in the matrix, and a path to each from a new life. */
const STATES: Readonly<Record<LifeState, { readonly letter: string; readonly path: readonly LifeEvent[] }>> = {
  absent: { letter: 'A', path: [] },
  frozen: { letter: 'F', path: [] },
  kept: { letter: 'K', path: [] },
  building: { letter: 'B', path: ['create'] },
  running: { letter: 'R', path: ['create', 'built'] },
  'running-held': { letter: 'r', path: ['create', 'built', 'save'] },
  suspended: { letter: 'U', path: ['create', 'built', 'stand'] },
  'suspended-held': { letter: 'u', path: ['create', 'built', 'migrate', 'stand'] },
  shutdown: { letter: 'S', path: ['create', 'built', 'stop'] },
  'shutdown-held': { letter: 's', path: ['create', 'built', 'stop', 'reboot'] },
  dying: { letter: 'D', path: ['create', 'built', 'destroy', 'kill'] },
};

/** The state after each event; a dot where the event is illegal. */
const MATRIX = `
             create destroy save restore migrate suspend resume reboot boot leave balloon shutdown pause unpause stop stand built log unlog end kill rebuild keep gone
absent         B       .     .      B       .       .      .      .     .     .      .       .       .      .     .     .     .    .    .    .   .      .     .    .
frozen         .       D     .      .       .       .      B      .     .     .      .       .       .      .     .     .     .    .    .    .   .      .     .    .
kept           .       D     .      .       .       .      .      .     B     .      .       .       .      .     .     .     .    .    .    .   .      .     .    .
building       .       .     .      .       .       .      .      .     .     .      .       .       .      .     .     .     R    .    .    .   .      .     K    A
running        .       r     r      .       r       r      .      r     .     .      R       R       R      R     S     U     .    .    .    .   .      .     .    .
running-held   .       .     .      .       .       .      .      .     .     .      .       .       r      r     s     u     .    r    r    R   D      .     .    .
suspended      .       u     .      .       .       .      u      u     .     .      .       .       .      .     .     .     .    .    .    .   .      .     .    .
suspended-held  .       .     .      .       .       .      .      .     .     .      .       .       .      .     .     .     .    .    u    U   D      .     .    .
shutdown       .       s     .      .       .       .      .      s     .     s      .       .       .      .     .     .     .    .    .    .   .      .     .    .
shutdown-held  .       .     .      .       .       .      .      .     .     .      .       .       .      .     .     .     .    .    s    S   D      .     .    .
dying          .       .     .      .       .       .      .      .     .     .      .       .       .      .     .     .     .    .    .    .   .      B     K    A
`;

function expectedEdges(): Map<string, LifeState | undefined> {
  const [head, ...rows] = MATRIX.trim().split('\n');
  const events = head!.trim().split(/\s+/);
  const edges = new Map<string, LifeState | undefined>();
  for (const row of rows) {
    const [state, ...cells] = row.trim().split(/\s+/);
    cells.forEach((cell, i) => {
      const next = LIFE_STATES.find((known) => STATES[known].letter === cell);
      expect(next !== undefined || cell === '.').toBe(true);
      edges.set(`${state} ${events[i]}`, next);
    });
  }
  return edges;
}

const isOperation = (event: LifeEvent): event is Operation => event in OPERATIONS;

function lifeIn(state: LifeState): Lifecycle {
  const life = new Lifecycle(state === 'frozen' || state === 'kept' ? state : 'absent');
  for (const event of STATES[state].path)
    if (isOperation(event)) expect(life.begin(event)).toBe(DONE);
    else life.step(event);
  expect(life.state).toBe(state);
  return life;
}

/** Why an operation may not begin; undefined when it may. */
function whyNot(state: LifeState, operation: Operation): string | undefined {
  const allowed = lifeIn(state).allows(operation);
  return allowed.ok ? undefined : allowed.reason.why;
}

describe('the life of a domain', () => {
  it('the life of a domain goes where the matrix says after every event in every state, and nowhere else', () => {
    const edges = expectedEdges();
    expect(edges.size).toBe(LIFE_STATES.length * EVENTS.length);
    for (const state of LIFE_STATES)
      for (const event of EVENTS) {
        const next = edges.get(`${state} ${event}`);
        expect([state, event, lifeAfter(state, event)]).toEqual([state, event, next]);
        const life = lifeIn(state);
        if (isOperation(event)) {
          const begun = life.begin(event);
          expect([state, event, endOf(begun)]).toEqual([state, event, next === undefined ? 'refused' : 'done']);
          expect(lifeIn(state).allows(event)).toEqual(begun);
        } else if (next === undefined) expect(() => life.step(event)).toThrow(InvariantViolation);
        else life.step(event);
        expect([state, event, life.state]).toEqual([state, event, next ?? state]);
      }
  });

  it('the life of a domain is drawn in the head of its file as it is', () => {
    const source = readFileSync(new URL('../../../src/xen/domain/lifecycle.ts', import.meta.url), 'utf8');
    const drawing = /event → state\n([^]*?) \* ```/.exec(source)![1]!;
    const drawn: string[] = [];
    let state = '';
    for (const line of drawing.split('\n')) {
      state = /^ \* ([a-z-]+)/.exec(line)?.[1] ?? state;
      for (const [, events, next] of line.matchAll(/([a-z]+(?:, [a-z]+)*) → ([a-z-]+)/g))
        for (const event of events!.split(', ')) drawn.push(`${state} ${event} ${next}`);
    }
    const real = [...expectedEdges()].flatMap(([edge, next]) => (next === undefined ? [] : [`${edge} ${next}`]));
    expect(drawn.sort()).toEqual(real.sort());
  });

  it('the life of a domain of a domain on which something is under way refuses everything else with what it is', () => {
    const life = lifeIn('running');
    life.begin('save');
    const refusal = { ok: false, reason: { kind: 'refused', why: 'it is being saved' } };
    for (const operation of OPERATION_NAMES)
      expect(life.allows(operation)).toEqual(/pause$/.test(operation) ? DONE : refusal);
    // A guest that is paused meanwhile is being saved all the same.
    life.begin('pause');
    expect(life.allows('destroy')).toEqual(refusal);
    life.step('stand');
    life.step('kill');
    life.step('rebuild');
    expect(life.allows('create')).toEqual(refusal);
    life.step('built');
    expect(life.allows('destroy')).toBe(DONE);
  });

  it('the life of a domain on which nothing is under way says what is wrong', () => {
    const reasons = (state: LifeState) => OPERATION_NAMES.map((operation) => whyNot(state, operation));
    const none = 'there is no such domain';
    expect(new Set(reasons('absent'))).toEqual(new Set([undefined, none]));
    const there = 'there is a domain of this name';
    const not = 'it does not run';
    expect(new Set(reasons('running'))).toEqual(
      new Set([undefined, there, not, 'it is not suspended', 'it has not stopped']),
    );
    expect(whyNot('shutdown', 'save')).toBe(not);
    expect(whyNot('suspended', 'restore')).toBe(there);
    expect(whyNot('kept', 'create')).toBe('a domain of this name was left');
  });

  it('the life of a domain lets whoever waits for the end of an operation go on then, and not before', () => {
    const simulation = new Simulation(1);
    const life = lifeIn('running-held');
    let isOver = false;
    simulation.spawn(
      'waits',
      (function* () {
        yield* life.idle();
        isOver = true;
      })(),
    );
    simulation.run();
    life.step('stand');
    simulation.run();
    expect([isOver, isHeld(life.state)]).toEqual([false, true]);
    life.step('end');
    simulation.run();
    expect([isOver, isHeld(life.state)]).toEqual([true, false]);
  });
});
