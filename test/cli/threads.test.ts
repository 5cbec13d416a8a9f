// Experiments on several threads, in the program as users start it: a thread begins with its file.
// What one thread prints is asked of the command in this process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { BuiltCli } from '../support/built-cli.ts';
import { runHere } from './here.ts';

let cli: BuiltCli;
let dir = '';
beforeAll(() => {
  cli = new BuiltCli();
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-threads-'));
  mkdirSync(join(dir, 'files'));
  writeFileSync(join(dir, 'trace.csv'), readFileSync(TRACE));
  for (let i = 1; i <= 6; i++) writeFileSync(join(dir, `files/${i}`), Buffer.alloc(9_000 * i, `${i}`));
});
afterAll(() => {
  cli.remove();
  rmSync(dir, { recursive: true, force: true });
});

const COMMON = '--memory 16MiB --seed 3 --bare-boot files';
const REBOOT = `reboot --strategy cold,warm-cache ${COMMON}`;
const VMM = `vmm-reboot --single --disk instant --profile server-2026 --strategy warm-vm,warm-cache ${COMMON}`;
const WEB = `web --disk instant --before 1 --after 1 --rate 5 --strategy cold,warm-cache ${COMMON}`;

const TRACE = new URL('../../data/traces/cloudphysics.csv', import.meta.url);
const PREDICT = `predict trace.csv --disk instant --strategy cold,warm-cache --memory 16MiB --seed 3 --bare-boot`;

interface Outcome {
  readonly out: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** What a line prints, and every file that it writes. */
async function outcomeOf(line: string, jobs: number): Promise<Outcome> {
  const into = mkdtempSync(join(dir, 'out-'));
  const words = `${line.replaceAll('INTO', into)} --json --report ${into} --jobs ${jobs}`;
  const { status, out } =
    jobs === 1 ? await runHere(cli.main, dir, words.split(' ')) : await cli.start(dir, `stillwarm ${words}`);
  expect(status).toBe(0);
  expect(JSON.parse(out)).toHaveProperty('digest');
  return { out, files: new Map(readdirSync(into).map((name) => [name, readFileSync(join(into, name))])) };
}

/** On each number of threads, at the same time. */
const outcomesOf = (line: string, ...jobs: readonly number[]): Promise<Outcome[]> =>
  Promise.all(jobs.map((each) => outcomeOf(line, each)));

it('the JSON, the page and the dump of memory of a reboot are the same on one thread and on five', async () => {
  const [five, one] = await outcomesOf(`${REBOOT} --dump-memory INTO/memory.img`, 5, 1);
  expect([...one!.files.keys()].sort()).toEqual(['index.html', 'memory.img']);
  expect(five).toEqual(one);
});

it.each([
  [`${REBOOT} --crash --workload log`, 2],
  [VMM, 2],
  [WEB, 2],
  [PREDICT, 2],
])('the JSON and the page of %s are the same on one thread and on %i', async (line, jobs) => {
  const [several, one] = await outcomesOf(line, jobs, 1);
  expect([...one!.files.keys()]).toEqual(['index.html']);
  expect(several).toEqual(one);
});

it('a mistake that one strategy of several meets is one line, and the others end with it', () => {
  const before = readdirSync(dir);
  const refused = (jobs: number) =>
    cli.bash(dir, `trap '' XFSZ; ulimit -f 4; stillwarm ${REBOOT} --dump-memory memory.img --jobs ${jobs}`);
  const one = refused(1);
  expect(one).toMatchObject({
    status: 2,
    err: expect.stringMatching(/^[^\n]*memory\.img: too long[^\n]*\n$/) as string,
  });
  expect(refused(3)).toEqual(one);
  expect(readdirSync(dir)).toEqual(before);
});

it('a disk that does not open is one line, however many threads try', async () => {
  mkdirSync(join(dir, 'none'), { recursive: true });
  const several = cli.start(dir, 'stillwarm reboot none --jobs 3');
  const one = await runHere(cli.main, dir, ['reboot', 'none', '--jobs', '1']);
  expect(one).toMatchObject({ status: 2, err: expect.stringContaining('there is nothing to read') as string });
  expect(await several).toEqual({ ...one, signal: null });
});

it('a host that allows few open files gets the result from one thread', async () => {
  const few = cli.start(dir, `ulimit -n 32; stillwarm ${REBOOT} --json --jobs 4`);
  const { out } = await outcomeOf(REBOOT, 1);
  expect(await few).toMatchObject({ status: 0, out });
});

it('an interrupt ends the program with all its threads', async () => {
  const long = ['vmm-reboot', 'files', '--jobs', '2'];
  const child = spawn(process.execPath, [cli.main, ...long], { cwd: dir, stdio: 'ignore' });
  const ended = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await setTimeout(800);
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
});
