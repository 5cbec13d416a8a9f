// `stillwarm check protocol` with protocols of users. Its threads are those of the program, which
// also runs as users start it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changesOf, renderProtocols } from '../../../src/cli/check/protocol-text.ts';
import { type ProtocolMessage, runProtocol } from '../../../src/cli/check/protocol-thread.ts';
import { checkProtocol } from '../../../src/lab/protocol/check.ts';
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
const untyped = (text: string): string =>
  text.replace(/: (number|any|boolean|string)\b|: \(fault[^)]*\) => boolean/g, '');
const FILES: Readonly<Record<string, string>> = {
  'good.ts': counter('good', 's.n++; s.last = "up";'),
  'bad.mts': counter('bad', 's.n++;', 3),
  'endless.ts': counter('endless', 's.n++; while (s.n === 2) s.last = "";'),
  'late.ts': counter('late', 's.n += s.last === "" ? 1 : Math.random(); s.last = "up";'),
  'wrong.mjs':
    'export default { name: "wrong", what: "Wrong.", build: () => ({ initial: {}, actors: {}, laws: {} }) };',
  'none.js': 'export default 7;',
  'broken.ts': 'const a = ;\n',
  'loops.mjs': 'for (;;);',
  'saved.mjs': `const now = Date.now;\n${untyped(counter('saved', 's.n += now() > 0 ? 1 : 2;'))}`,
  'named.mjs': `import { randomInt } from "node:crypto";\n${untyped(counter('named', 's.n += randomInt(1, 2);'))}`,
  'host.mjs': `import { hostname } from "node:os";\n${untyped(counter('host', 's.n += hostname().length;'))}`,
  'ticks.mjs': `import { hrtime } from "node:process";\n${untyped(counter('ticks', 's.n += hrtime()[0];'))}`,
  'origin.mjs': `import { performance } from "node:perf_hooks";\n${untyped(counter('origin', 's.n += performance.timeOrigin;'))}`,
  'common/export.js': untyped(counter('common', 's.n++;')),
  'common/package.json': '{ "type": "commonjs" }',
  'quits.mjs': 'process.exit(0);',
  'posts.mjs': 'import { parentPort } from "node:worker_threads"; parentPort.postMessage(null);',
  'part.json': '{}',
  'long.ts': counter('long', 's.n++; console.log("n", s.n); if (s.n === 25) throw new Error("25");', 30).replace(
    's.n <= 2',
    's.n <= 99',
  ),
  'waits.mjs': 'await new Promise(() => undefined);',
  'exits.mjs': untyped(counter('exits', 'process.exit(0);')),
  'swaps.mjs': `export default { name: 'swaps', what: 'w', build: () => ({
    initial: { a: [0, 0] }, actors: { one: { up: { when: (s) => s.a[0] < 2, do: (s) => { s.a[0]++; } } } },
    alike: [{ count: 2, swap: () => { for (;;); } }], laws: { done: () => true } }) };`,
  'second.ts': counter('second', 's.n++; if (s.n === 3) throw new Error("three");'),
  [`../${EXAMPLES}/a.ts`]: counter('first', 's.n++;'),
  [`../${EXAMPLES}/b.ts`]: counter('second', 's.n++;'),
};

let cli: BuiltCli;
let user = '';
beforeAll(() => {
  cli = new BuiltCli();
  user = join(cli.dir, 'user');
  for (const made of ['user/common', EXAMPLES]) mkdirSync(join(cli.dir, made), { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(user, name), text);
  execFileSync('mkfifo', [join(user, 'pipe.ts')]);
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
    .map((row) => row.filter((_, column) => column !== 5));

// Each starts a thread, and one of them waits.
describe.concurrent('stillwarm check protocol', () => {
  it('a step without an end is refused by the program, which ends with its thread', async () => {
    expect(await cli.start(user, 'stillwarm check protocol endless.ts --patience 3s')).toEqual({
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
      ['protocol, fault', 'states', 'laws', 'breaks', 'shortest', 'verdict'],
      ['good', '8', '2', '', '', 'right'],
      ['one more', '9', '2', 'small', '3', 'right'],
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
    [
      ['--states', '3'],
      'good: the greatest number of states was reached: all laws were asked in 3 states, of which all that',
    ],
    [
      ['--depth', '1'],
      'good: the greatest depth was reached: all laws were asked in 3 states, of which all that 1 step\n  reach; the',
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
    expect(cells(out).map(([name]) => name)).toEqual(['protocol, fault', 'first', 'one more', 'second', 'one more']);
  });

  it.each([
    ['late.ts', 'late.ts: one.up: it calls Math.random: a protocol has no clock and no chance (after one.up)'],
    ['wrong.mjs', 'wrong.mjs: model.actors: there is no step'],
    ['none.js', 'none.js: protocol: expected an object, got 7'],
    ['broken.ts', 'stillwarm: broken.ts:1: Expression expected'],
    ['loops.mjs --patience 1s', 'loops.mjs: its import: it does not return (--patience is over)'],
    ['saved.mjs', 'saved.mjs: one.up: it calls Date.now: a protocol has no clock and no chance'],
    ['named.mjs', 'named.mjs: one.up: it calls crypto.randomInt: a protocol has no clock and no chance'],
    ['host.mjs', 'host.mjs: one.up: it calls os.hostname: a protocol has no clock and no chance'],
    ['ticks.mjs', 'ticks.mjs: one.up: it calls process.hrtime: a protocol has no clock and no chance'],
    ['origin.mjs', 'origin.mjs: one.up: it reads performance.timeOrigin: a protocol has no clock and no chance'],
    ['common/export.js', 'common/export.js'],
    ['quits.mjs', 'quits.mjs: its import: it has ended its thread'],
    ['waits.mjs', 'waits.mjs: its import does not end'],
    ['exits.mjs', 'exits.mjs: one.up: it has ended its thread'],
    ['swaps.mjs --patience 1s', 'swaps.mjs: alike: swap: it does not return'],
    ['posts.mjs', 'posts.mjs: it posts a message to the thread of stillwarm'],
    ['nothing.ts', 'cannot read nothing.ts: no such file'],
    ['good.txt', 'FILE: expected .js, .mjs, .mts or .ts, got good.txt'],
    ['good.ts --fault other', '--fault: good.ts has no other; there are one more'],
    ['--fault other', '--fault: name the FILE, too'],
    ['good.ts --report good.ts', '--report'],
    ['good.ts --report part.json', 'part.json is there, and may be a part of a program: it is not replaced'],
    ['pipe.ts', 'cannot read pipe.ts: not a regular file'],
  ])('%s is refused in one line, with exit status 2', async (line, message) => {
    const { status, out, err } = await check(...line.split(' '));
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});

/** What the thread tells last, of a protocol that is searched in this thread. */
const last = async (name: string, text: string): Promise<ProtocolMessage> => {
  const [file, path] = [name, join(user, name)];
  writeFileSync(path, text);
  const bounds = { fault: undefined, states: 1000, depth: undefined, cells: new Int32Array(2) };
  return new Promise((end) => {
    runProtocol({ role: 'protocol', path, file, ...bounds }, (message) => {
      if (message.kind === 'done' || message.kind === 'failed') end(message);
    });
  });
};

describe('a search that is refused', () => {
  it('a refusal tells the last steps of a long history, and what a step prints goes to standard error', async () => {
    const { status, out, err } = await cli.start(user, 'stillwarm check protocol long.ts --json');
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain('n 1\n');
    expect(err).toContain(`it throws Error: 25 (after …, ${Array<string>(20).fill('one.up').join(', ')})\n`);
  });

  it('a refusal in the search with a fault names the fault, and what was searched before is printed', async () => {
    const { status, out, err } = await check('second.ts');
    expect(status).toBe(2);
    expect(cells(out)).toHaveLength(2);
    expect(err).toBe('stillwarm: second.ts with one more: one.up: it throws Error: three (after one.up, one.up)\n');
  });
});

describe('the thread of a protocol', () => {
  it.each([
    [
      'a getter',
      'export default { what: "w", build() {}, get name() { throw new RangeError("ng\\nmore"); } };',
      'protocol: it throws RangeError: ng when it is read',
    ],
    [
      'a trap',
      'export default { what: "w", build() {}, get name() { throw new Proxy(new Error(""), { getPrototypeOf() { throw 1; } }); } };',
      'protocol: it throws what cannot be told when it is read',
    ],
  ])('whatever %s of a protocol throws is one line with the file', async (what, text, message) => {
    expect(await last(`${what}.mjs`, text)).toMatchObject({
      ...{ kind: 'failed', error: { name: 'InputError', message: `${what}.mjs: ${message}` } },
    });
  });
});

describe('what a file exports', () => {
  it.each([
    ['nothing', 'export const a = 1;', 'nothing by default'],
    ['promise', 'export default Promise.resolve({});', 'a promise by default, and no protocol'],
    ['list', 'export default [];', 'a list by default, and no protocol'],
    ['function', 'export default () => 1;', 'a function by default, and no protocol'],
  ])('a default export that is %s is said to be that', async (what, text, message) => {
    expect(await last(`${what}.mjs`, text)).toMatchObject({ error: { message: `${what}.mjs: it exports ${message}` } });
  });
});

describe('the text for people', () => {
  it('a name with a comma is quoted, a deadlock is reached, and a fault that breaks nothing has its steps told', () => {
    const rows = checkProtocol({
      name: 'text',
      what: 'A counter that a fault stops.',
      faults: { early: { what: 'It never goes on.', breaks: 'small', within: 1 } },
      build: (has) => ({
        initial: { n: 0 },
        actors: {
          one: {
            'go, up': {
              when: ({ n }) => n === 0 && !has('early'),
              do: (state: { n: number }) => {
                state.n++;
              },
            },
            stop: { when: () => false, do: () => undefined },
          },
        },
        laws: { always: { small: ({ n }) => n < 2 }, done: ({ n }) => n === 0 },
      }),
    });
    const text = renderProtocols(
      [{ file: 'f', protocol: 'text', what: '', rows: rows.map((row) => ({ row, ms: 0 })) }],
      false,
    );
    expect(text).toContain('text: a deadlock is reached after 1 step\n');
    expect(text).toContain('text with early: never taken: "one.go, up", one.stop\n');
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
