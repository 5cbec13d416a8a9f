// Experiments on several threads, in the program as users start it: a thread begins with its file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { BuiltCli } from '../support/built-cli.ts';

let cli: BuiltCli;
let dir = '';
beforeAll(() => {
  cli = new BuiltCli();
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-threads-'));
  mkdirSync(join(dir, 'files'));
  for (let i = 1; i <= 6; i++) writeFileSync(join(dir, `files/${i}`), Buffer.alloc(9_000 * i, `${i}`));
});
afterAll(() => {
  cli.remove();
  rmSync(dir, { recursive: true, force: true });
});

const COMMON = '--memory 16MiB --seed 3 --bare-boot files';
const REBOOT = `stillwarm reboot ${COMMON}`;
const VMM = `stillwarm vmm-reboot --single --disk instant --profile server-2026 --strategy warm-vm,warm-cache ${COMMON}`;
const WEB = `stillwarm web --disk instant --before 1 --after 1 --rate 5 --strategy cold,warm-cache ${COMMON}`;

/** What a line prints, and every file that it writes. */
function outcomeOf(line: string, jobs: number): { out: string; files: ReadonlyMap<string, Buffer> } {
  const into = mkdtempSync(join(dir, 'out-'));
  const { status, out } = cli.bash(dir, `${line.replaceAll('INTO', into)} --json --report ${into} --jobs ${jobs}`);
  expect(status).toBe(0);
  expect(JSON.parse(out)).toHaveProperty('digest');
  return { out, files: new Map(readdirSync(into).map((name) => [name, readFileSync(join(into, name))])) };
}

let rebootOfOne: string | undefined;
/** What the reboot prints that has one thread. */
const outOfOne = (): string => (rebootOfOne ??= outcomeOf(REBOOT, 1).out);

it('the JSON, the page and the dump of memory of a reboot are the same on one thread, two and five', () => {
  const [one, ...more] = [1, 2, 5].map((jobs) => outcomeOf(`${REBOOT} --dump-memory INTO/memory.img`, jobs));
  expect([...one!.files.keys()].sort()).toEqual(['index.html', 'memory.img']);
  for (const each of more) expect(each).toEqual(one);
  rebootOfOne = one!.out;
});

it.each([
  [`${REBOOT} --crash --workload log`, 3],
  [VMM, 2],
  [WEB, 2],
])('the JSON and the page of %s are the same on one thread and on %i', (line, jobs) => {
  const one = outcomeOf(line, 1);
  expect([...one.files.keys()]).toEqual(['index.html']);
  expect(outcomeOf(line, jobs)).toEqual(one);
});

it('a mistake that one strategy of several meets is one line, and the others end with it', () => {
  const before = readdirSync(dir);
  const refused = (jobs: number) =>
    cli.bash(dir, `trap '' XFSZ; ulimit -f 4; ${REBOOT} --dump-memory memory.img --jobs ${jobs}`);
  const one = refused(1);
  expect(one).toMatchObject({
    status: 2,
    err: expect.stringMatching(/^[^\n]*memory\.img: too long[^\n]*\n$/) as string,
  });
  expect(refused(3)).toEqual(one);
  expect(readdirSync(dir)).toEqual(before);
});

it('a disk that does not open is one line, however many threads try', () => {
  mkdirSync(join(dir, 'none'), { recursive: true });
  const refused = (jobs: number) => cli.bash(dir, `stillwarm reboot none --jobs ${jobs}`);
  const one = refused(1);
  expect(one).toMatchObject({ status: 2, err: expect.stringContaining('there is nothing to read') as string });
  expect(refused(3)).toEqual(one);
});

it('a host that allows few open files gets the result from one thread', () => {
  const few = cli.bash(dir, `ulimit -n 32; ${REBOOT} --json --jobs 4`);
  expect(few.status).toBe(0);
  expect(few.out).toBe(outOfOne());
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
