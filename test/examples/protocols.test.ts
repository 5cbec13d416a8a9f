// The protocols of examples/protocols: the repaired ones keep all laws over their whole scope, and
// each fault breaks its law in a shortest history.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import memfdHandover from '../../examples/protocols/memfd-handover.ts';
import processCache from '../../examples/protocols/process-cache.ts';
import recordVersions from '../../examples/protocols/record-versions.ts';
import sharedPageCache from '../../examples/protocols/shared-page-cache.ts';
import { type AnyProtocol, type Model, search, type Step } from '../../src/lab/protocol/index.ts';
import { casesOf } from '../support/product.ts';

const PROTOCOLS: readonly AnyProtocol[] = [memfdHandover, processCache, recordVersions, sharedPageCache];
const named = (name: string): AnyProtocol => PROTOCOLS.find((protocol) => protocol.name === name)!;
const modelOf = (protocol: AnyProtocol): Model<unknown> => protocol.build(() => false) as Model<unknown>;
const FAULTS = PROTOCOLS.flatMap(({ name, faults = {} }) =>
  Object.entries(faults).map(([fault, { breaks, within }]) => [name, fault, breaks, within] as const),
);

/** Searches, of which `npm test` plays some. */
const someOf = <T>(part: string, all: readonly T[], sample: number): readonly T[] =>
  casesOf('the protocols of the examples', part, all, { sample });

/** Without faults: states, transitions, and steps to the state that is farthest away. */
const FIGURES: Readonly<Record<string, readonly [number, number, number]>> = {
  'memfd-handover': [19_497, 49_965, 20],
  'process-cache': [4540, 16_760, 20],
  'record-versions': [3307, 73_582, 13],
  'shared-page-cache': [99_437, 650_827, 22],
};
/** The same, where what is alike is searched in one order only. */
const SYMMETRIC: typeof FIGURES = {
  'memfd-handover': [10_099, 25_877, 20],
  'process-cache': [1640, 6604, 20],
  'shared-page-cache': [5681, 35_729, 22],
};
/** Whether to search with symmetry: both ways, where anything is alike. */
const waysOf = (name: string): boolean[] => (name in SYMMETRIC ? [false, true] : [false]);

describe('a protocol without faults', () => {
  const searches = PROTOCOLS.flatMap(({ name }) => waysOf(name).map((symmetry) => [name, symmetry] as const));
  it.each(someOf('without faults', searches, 3))(
    '%s, with symmetry %s, keeps all laws in every state that there is',
    (name, symmetry) => {
      const { verdict, states, transitions, depth, unreached, coverage } = search(named(name), { symmetry });
      expect(verdict).toBe('passed');
      expect([states, transitions, depth]).toEqual((symmetry ? SYMMETRIC : FIGURES)[name]);
      expect(unreached).toEqual([]);
      expect(coverage).toMatchObject({ depth, frontier: 0 });
      expect(coverage.bound).toBeUndefined();
    },
  );

  it('a protocol in which something is alike is searched both ways', () => {
    expect(PROTOCOLS.filter((protocol) => modelOf(protocol).alike !== undefined).map(({ name }) => name)).toEqual(
      Object.keys(SYMMETRIC),
    );
  });
});

/** Without that step, those laws are never met. */
const MISSED: readonly (readonly [string, string, readonly string[]])[] = [
  ['memfd-handover', 'orchestrator.deserializes the table', ['All that was written is there after the kexec']],
  ['process-cache', 'process.begins to store key', ['A process restarts with a warm cache']],
  ['record-versions', 'program.stores a region', ['A region outlives an upgrade', 'A region outlives a downgrade']],
  ['shared-page-cache', 'worker.ends the fill', ['A page outlives a restart', 'One read serves both kernels']],
];

/** Steps that do nothing where their guard forbids them, or no harm. */
const HARMLESS = [
  'memfd-handover: orchestrator.fails to deserialize the table',
  'record-versions: program.reads the record',
  'record-versions: program.takes back page',
  'shared-page-cache: kernel.waits for page',
  'shared-page-cache: kernel.reads the page',
  'shared-page-cache: kernel.looks up again',
  'shared-page-cache: kernel.times out',
];

/** The name of a step, whatever number its actor has. */
const nameOf = (actor: string, step: string): string => `${actor.replace(/ \d$/, '')}.${step}`;
const stepsOf = (protocol: AnyProtocol): Set<string> =>
  new Set(
    Object.entries(modelOf(protocol).actors).flatMap(([actor, steps]) =>
      Object.keys(steps).map((step) => nameOf(actor, step)),
    ),
  );

/** The protocol with another step in the place of one, or without it. */
function replacing(
  protocol: AnyProtocol,
  where: string,
  other: (step: Step<unknown>) => Step<unknown> | undefined,
): AnyProtocol {
  const build = (): Model<unknown> => {
    const model = modelOf(protocol);
    const actors = Object.entries(model.actors).map(([actor, steps]) => {
      const all = Object.entries(steps).map(([name, step]) => {
        return [name, nameOf(actor, name) === where ? other(step) : step] as const;
      });
      return [actor, Object.fromEntries(all.filter(([, step]) => step !== undefined))] as const;
    });
    return { ...model, actors: Object.fromEntries(actors) as Model<unknown>['actors'] };
  };
  return { name: protocol.name, what: protocol.what, build };
}

describe('a fault', () => {
  it.each(someOf('faults', FAULTS, 8))(
    '%s with the fault %s breaks "%s" alone, in no less than %i steps',
    (name, fault, breaks, within) => {
      for (const symmetry of waysOf(name)) {
        const { verdict, broken, counterexample, isShortest } = search(named(name), { faults: [fault], symmetry });
        expect([verdict, broken, isShortest]).toEqual(['violated', [breaks], true]);
        expect(counterexample).toMatchObject({ protocol: name, faults: [fault], law: breaks });
        expect(counterexample!.steps).toHaveLength(within);
      }
    },
  );

  it('every law that always holds is broken by a fault, and every other one is missed without a step', () => {
    for (const protocol of PROTOCOLS) {
      const { always = {}, sometimes = {} } = modelOf(protocol).laws;
      const broken = new Set(FAULTS.filter(([name]) => name === protocol.name).map(([, , breaks]) => breaks));
      broken.delete('deadlock');
      expect([...broken].sort()).toEqual(Object.keys(always).sort());
      expect(Object.keys(sometimes)).toEqual(MISSED.find(([name]) => name === protocol.name)![2]);
    }
  });
});

it.each(someOf('steps that are missed', MISSED, 2))('%s without the step "%s" never meets %j', (name, step, laws) => {
  const { verdict, broken, counterexample } = search(
    replacing(named(name), step, () => undefined),
    {
      symmetry: false,
    },
  );
  expect([verdict, broken, counterexample]).toEqual(['violated', laws, undefined]);
});

it('a step whose guard is gone breaks a law, or does nothing, or no harm', () => {
  const harmless: string[] = [];
  const all = PROTOCOLS.flatMap((protocol) => [...stepsOf(protocol)].map((where) => ({ protocol, where })));
  const played = someOf('steps without their guards', all, 12);
  for (const { protocol, where } of played) {
    const without = replacing(protocol, where, ({ each = 1, do: take }) => ({ each, do: take }));
    const { verdict } = search(without, { symmetry: false, states: 6000 });
    if (verdict !== 'violated' && verdict !== 'refused') harmless.push(`${protocol.name}: ${where}`);
  }
  const names = played.map(({ protocol, where }) => `${protocol.name}: ${where}`);
  expect(harmless).toEqual(HARMLESS.filter((name) => names.includes(name)));
});

/** What was found, as a table: one row for each fault. */
function table(): string {
  const rows = PROTOCOLS.flatMap(({ name, faults = {} }) => {
    const [states, transitions] = FIGURES[name]!.map((figure) => figure.toLocaleString('en'));
    return Object.values(faults).map(({ what, breaks, within }, i) =>
      [...(i === 0 ? [`[${name}](${name}.ts)`, states, transitions] : ['', '', '']), what, breaks, within].join(' | '),
    );
  });
  const head = ['protocol | states | steps | fault | breaks the law | in steps', '---|--:|--:|---|---|--:'];
  return [...head, ...rows].map((row) => `| ${row} |`).join('\n');
}

/** The shortest history to a fault, one line for each step. */
function historyOf(name: string, fault: string): string {
  const { steps } = search(named(name), { faults: [fault], symmetry: false }).counterexample!;
  return [
    '```',
    ...steps.map(({ actor, step }, i) => `${String(i + 1).padStart(2)}  ${actor.padEnd(13)} ${step}`),
    '```',
  ].join('\n');
}

it('examples/protocols/README.md says what was found; UPDATE_DOCS=1 writes it', () => {
  const page = 'examples/protocols/README.md';
  let text = readFileSync(page, 'utf8');
  for (const [mark, found] of [
    ['protocols', table()],
    ['history', historyOf('memfd-handover', 'collapse')],
  ]) {
    const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`].map((each) => text.indexOf(each));
    text = `${text.slice(0, begin)}<!-- ${mark} -->\n\n${found}\n\n${text.slice(end)}`;
  }
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, text);
  expect(readFileSync(page, 'utf8')).toBe(text);
});
