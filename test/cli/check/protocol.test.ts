// `stillwarm check protocol` with protocols of users. Its threads are those of the program, which
// also runs as users start it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changesOf } from '../../../src/cli/check/protocol-text.ts';
import { BuiltCli } from '../../support/built-cli.ts';
import { runHere } from '../here.ts';
import type { Printed } from './lab.ts';

const EXAMPLES = 'dist/examples/protocols';

/** Two steps up to `to`, of which the fault takes one too many. */
const counter = (name: string, up: string, to = 2): string => `
const limit: number = ${to};
export default {
  name: '${name}', what: 'A counter.',
  faults: { 'one more': { what: 'One more.', breaks: 'small', within: 3 } },
  build: (has: (fault: string) => boolean) => ({
    initial: { n: 0, last: '' },
    actors: { one: { up: { when: (s: any) => s.n < limit + (has('one more') ? 1 : 0), do: (s: any) => { ${up} } } } },
    events: { crash: { survives: ['n'] } },
    laws: { always: { small: (s: any) => s.n <= 2 }, done: () => true },
  }),
};
`;
const FILES: Readonly<Record<string, string>> = {
  'good.ts': counter('good', 's.n++; s.last = "up";'),
  'bad.mts': counter('bad', 's.n++;', 3),
  'endless.ts': counter('endless', 's.n++; while (s.n === 2) s.last = "";'),
  'late.ts': counter('late', 's.n += s.last === "" ? 1 : Math.random(); s.last = "up";'),
  'wrong.mjs':
    'export default { name: "wrong", what: "Wrong.", build: () => ({ initial: {}, actors: {}, laws: {} }) };',
  'none.js': 'export default 7;',
  'broken.ts': 'const a = ;\n',
  'quits.mjs': 'process.exit(0);',
  [`../${EXAMPLES}/a.ts`]: counter('first', 's.n++;'),
  [`../${EXAMPLES}/b.ts`]: counter('second', 's.n++;'),
};

let cli: BuiltCli;
let user = '';
beforeAll(() => {
  cli = new BuiltCli();
  user = join(cli.dir, 'user');
  for (const made of ['user', EXAMPLES]) mkdirSync(join(cli.dir, made), { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(user, name), text);
});
afterAll(() => cli.remove());

const check = (...words: string[]): Promise<Printed> => runHere(cli.main, user, ['check', 'protocol', ...words]);

/** The cells of a table, without times. */
const cells = (out: string): string[][] =>
  out
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('│')
        .map((cell) => cell.trim()),
    )
    .map((row) => row.filter((_, column) => column !== 8));

// Each starts a thread, and one of them waits.
describe.concurrent('stillwarm check protocol', () => {
  it('a step without an end is refused by the program, which ends with its thread', async () => {
    expect(await cli.start(user, 'stillwarm check protocol endless.ts --patience 1s')).toEqual({
      ...{ status: 2, signal: null, out: '' },
      err: 'stillwarm: endless.ts: one.up: it does not return (--patience is over)\n',
    });
  });

  it('a protocol is answered by the program as by the command in this process', async () => {
    const ended = await cli.start(user, 'stillwarm check protocol bad.mts --json');
    expect(ended).toEqual({ ...(await check('bad.mts', '--json')), signal: null });
    expect(ended.status).toBe(1);
  });

  it('a protocol is searched without faults and with each, and the table has a line for each', async () => {
    const { status, out, err } = await check('good.ts');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(cells(out)).toEqual([
      ['protocol', 'fault', 'states', 'steps taken', 'depth', 'laws', 'breaks', 'shortest', 'verdict'],
      ['good', '', '8', '8', '3', '2', '', '', 'as it should be'],
      ['', 'one more', '9', '9', '3', '2', 'small', '3', 'as it should be'],
    ]);
    expect(out).not.toContain('replay:');
  });

  it('--fault prints the shortest history with what each step changes, and --report writes it as a page', async () => {
    const { status, out } = await check('good.ts', '--fault', 'one more', '--report', 'page.html');
    expect(status).toBe(0);
    expect(out.split('\n').slice(-7, -1)).toEqual([
      'good, with one more: small is broken after 3 steps',
      '  first {"last":"","n":0}',
      '      1 one: up  last "" → "up", n 0 → 1',
      '      2 one: up  n 1 → 2',
      '      3 one: up  n 2 → 3',
      "replay: stillwarm check protocol good.ts --fault 'one more'",
    ]);
    expect(readFileSync(join(user, 'page.html'), 'utf8')).toContain('one more');
  });

  it('a protocol that is wrong without faults has exit status 1, and its history is printed', async () => {
    const { status, out } = await check('bad.mts');
    expect(status).toBe(1);
    expect(out).toContain('bad: it breaks small\n');
    expect(out).toContain('bad: small is broken after 3 steps\n');
  });

  it.each([
    [['--states', '3'], 'good: the greatest number of states was reached: all laws were asked in 3 states'],
    [
      ['--depth', '1'],
      'good: the greatest depth was reached: all laws were asked in 3 states, of which all that 1 step reach',
    ],
  ])('a bound that is reached (%j) has exit status 3, and says what was covered', async (bound, line) => {
    const { status, out } = await check('good.ts', ...bound);
    expect(status).toBe(3);
    expect(out).toContain(line);
  });

  it('--json prints the same object each time, with the histories', async () => {
    const [one, again] = await Promise.all([check('good.ts', '--json'), check('good.ts', '--json')]);
    expect(one).toEqual(again);
    expect(JSON.parse(one.out)).toMatchObject({
      schema: 'stillwarm/check-protocol@1',
      protocols: [
        {
          protocol: 'good',
          laws: ['small', 'deadlock'],
          searches: [
            { fault: '', verdict: 'as it should be', history: null },
            {
              fault: 'one more',
              history: { law: 'small', steps: [{ number: 1 }, {}, { state: '{"last":"up","n":3}' }] },
            },
          ],
        },
      ],
    });
  });

  it('all protocols that come with stillwarm are checked without FILE, in one table', async () => {
    const { status, out } = await check();
    expect(status).toBe(0);
    expect(cells(out).map(([protocol, fault]) => [protocol, fault])).toEqual([
      ['protocol', 'fault'],
      ['first', ''],
      ['', 'one more'],
      ['second', ''],
      ['', 'one more'],
    ]);
  });

  it.each([
    ['late.ts', 'late.ts: one.up: it calls Math.random: a protocol has no clock and no chance (after one.up)'],
    ['wrong.mjs', 'wrong.mjs: model.actors: there is no step'],
    ['none.js', 'none.js: protocol: expected an object, got 7'],
    ['broken.ts', 'broken.ts:1: Expression expected'],
    ['quits.mjs', 'quits.mjs: it has ended its thread'],
    ['nothing.ts', 'cannot read nothing.ts: no such file'],
    ['good.txt', 'FILE: expected .js, .mjs, .mts or .ts, got good.txt'],
    ['good.ts --fault other', '--fault: good.ts has no other; there are one more'],
    ['--fault other', '--fault: name the FILE, too'],
    ['good.ts --report good.ts', '--report'],
  ])('%s is refused in one line, with exit status 2', async (line, message) => {
    const { status, out, err } = await check(...line.split(' '));
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('what a step changes', () => {
  it('what a step changes is told by its place, what is new and what is gone too', () => {
    const before = { a: [1, { b: 'x' }], c: null, d: 1 };
    expect(changesOf(before, { a: [1, { b: 'y' }, 2], c: [0], e: 2 })).toEqual([
      'a[1].b "x" → "y"',
      'a[2] is now 2',
      'c null → [0]',
      'd is gone, was 1',
      'e is now 2',
    ]);
    expect(changesOf(before, structuredClone(before))).toEqual([]);
  });
});
