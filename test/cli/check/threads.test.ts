// `stillwarm check` in threads, and a user's program in them. The threads are those of the program,
// which also runs as users start it. It is that of users, except for the check, which costs nothing
// (program.ts).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RUNNING, workloadOptions } from '../../../src/cli/check/options.ts';
import { BuiltCli, type Ended } from '../../support/built-cli.ts';
import { runHere } from '../here.ts';
import { doubleEntry } from './double.mjs';
import type { Printed } from './lab.ts';

const CHECKS = [doubleEntry(RUNNING, workloadOptions(['none']))];

let cli: BuiltCli;
let user = '';
beforeAll(() => {
  cli = new BuiltCli('test/cli/check/program.ts');
  // A user's directory, with a stillwarm of its own.
  user = join(cli.dir, 'user');
  const door = join(user, 'node_modules/stillwarm');
  mkdirSync(door, { recursive: true });
  writeFileSync(join(user, 'package.json'), '{ "name": "user" }');
  writeFileSync(join(door, 'package.json'), '{ "name": "stillwarm", "type": "module", "exports": "./index.js" }');
  writeFileSync(join(door, 'index.js'), 'export const door = 1;');
});
afterAll(() => cli.remove());

/** In this process. */
const check = (line: string): Promise<Printed> =>
  runHere(cli.main, user, ['check', 'double', ...line.split(' ').filter((word) => word !== '')], CHECKS);
/** In a process of its own. */
const start = (line: string): Promise<Ended> => cli.start(user, `stillwarm check double ${line}`);

const write = (name: string, text: string): void => writeFileSync(join(user, name), text);

// A check in this process waits for its threads, while those in others go on.
describe.concurrent('a check in threads', () => {
  it('a check prints the same with one thread and with three, and in shards', async () => {
    const line = '--cases 500 --wrong 499,3 --json';
    const shard = start(`${line} --jobs 3 --shard 1/1 --out all`);
    const one = await check(`${line} --jobs 1`);
    expect(one.status).toBe(1);
    expect(await check(`${line} --jobs 3`)).toEqual(one);
    expect(await shard).toEqual({ ...one, signal: null });
    const { results } = JSON.parse(readFileSync(join(user, 'all'), 'utf8')) as { results: { from: number }[] };
    expect(results.map(({ from }) => from)).toEqual(Array.from({ length: 250 }, (_, n) => 2 * n));
  });

  it('a check in threads stops where the budget ends, and goes on from its file', async () => {
    const line = '--cases 400 --weigh 2 --json --jobs 2';
    const cut = await start(`${line} --budget 400ms --out part`);
    expect(cut.status).toBe(3);
    const { done } = JSON.parse(cut.out) as { done: number };
    expect(done).toBeLessThan(400);
    const rest = await start(`${line} --resume part`);
    expect(rest.status).toBe(0);
    expect(JSON.parse(rest.out)).toMatchObject({ done: 400, verdict: 'passed' });
  });
});

describe.concurrent("a user's program", () => {
  const WITH_TYPES = `import type { Program } from 'stillwarm';
import { last } from './other.ts';

interface Unused { readonly a: string }
export default function* (_sys: Parameters<Program>[0]): Generator<number, void, void> {
  yield 1;
  yield* [2, 3] as readonly number[];
  yield last satisfies number;
}
`;

  it.each(['a.mjs', 'a.ts'])("a user's program %s is imported, with its modules, and played", async (name) => {
    write('other.ts', 'export const last: number = -4;\n');
    write('other.mjs', 'export const last = -4;\n');
    const plain = `import { last } from './other.mjs';
import { door } from 'stillwarm';
export default function* () { yield door; yield* [2, 3]; yield last; }`;
    write(name, name === 'a.mjs' ? plain : WITH_TYPES);
    const { status, out, err } = await check(`--workload ${name} --json --jobs 2`);
    expect({ status, err }).toEqual({ status: 1, err: '' });
    const { options, ...result } = JSON.parse(out) as { options: { name: string; value: string }[] };
    expect(result).toMatchObject({
      cases: 4,
      done: 4,
      counts: [{ name: 'sum', value: 2 }],
      violations: [{ at: 3, what: '-4' }],
    });
    expect(options.find((each) => each.name === 'workload')!.value).toMatch(
      new RegExp(`^\\{"file":"${name}","crc32c":\\d+\\}$`),
    );
  });

  it('what a program prints goes to standard error, and the result alone to standard output', async () => {
    write('prints.mjs', 'export default function* () { console.log("a line of its own"); yield 1; }');
    const { status, out, err } = await start('--workload prints.mjs --jobs 2 --json');
    expect(JSON.parse(out)).toMatchObject({ verdict: status === 0 ? 'passed' : 'violated' });
    expect(out).not.toContain('a line');
    expect(err).toContain('a line of its own\n');
  });

  it("a file with another program's bytes is another run", async () => {
    write('b.mjs', 'export default function* () { yield 1; }');
    await check('--workload b.mjs --out run');
    write('b.mjs', 'export default function* () { yield 2; }');
    expect((await check('--workload b.mjs --resume run')).err).toMatch(
      /^stillwarm: --resume: run is of another run: its options is /,
    );
  });

  it.each([
    [
      'late.ts',
      'type T = number;\nexport default function* (): Generator<T> {\n  yield 1;\n  throw new Error("late");\n}\n',
      /late\.ts:4: late$/,
    ],
    [
      'random.mjs',
      'let n = 0;\nexport default function* () { yield Number(new URL(import.meta.url).search.slice(1)) + ++n; }',
      /random\.mjs: not deterministic: case 0 differs between two runs of it$/,
    ],
    [
      'other-count.mjs',
      'export default function* () { if (import.meta.url.endsWith("1")) yield 1; }',
      /other-count\.mjs: not deterministic: the number of cases differs between two runs of it$/,
    ],
    ['exits.mjs', 'export default function* () { process.exit(4); }', /exits\.mjs: it has ended its thread, status 4$/],
    [
      'hangs.mjs',
      'export default function* () { for (;;); }',
      /hangs\.mjs: no end: counting its cases did nothing for 1 s$/,
    ],
    [
      'waits.mjs',
      'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
      /waits\.mjs: no end: its import did nothing for 1 s$/,
    ],
    [
      'hangs-once.mjs',
      'import { isMainThread, workerData } from "node:worker_threads";\nexport default function* () { yield 1; if (workerData.name === "check") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }',
      /hangs-once\.mjs: no end: cases 0 to 0 did nothing for 1 s$/,
    ],
  ])('the mistake of %s is one line that names the file and the place', async (name, text, message) => {
    write(name, text);
    const isSilent = message.source.includes('no end');
    const line = `--workload ${name} --patience ${isSilent ? '1s' : '50s'} --jobs 2`;
    const { status, out, err } = await (isSilent ? start(line) : check(line));
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^stillwarm: [^\n]*\n$/);
    expect(err.trimEnd()).toMatch(message);
  });

  it.each([
    ['nowhere.mjs', /^stillwarm: cannot read nowhere\.mjs: no such file\n$/],
    ['some', /^stillwarm: --workload: some is none of none\n$/],
  ])('the file %s is refused', async (name, message) => {
    const { status, err } = await check(`--workload ${name}`);
    expect(status).toBe(2);
    expect(err).toMatch(message);
  });
});
