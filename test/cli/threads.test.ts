// Experiments on several threads, in the program as users start it: a thread begins with its file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
const VMM = `stillwarm vmm-reboot --single --disk instant --strategy warm-vm,warm-cache ${COMMON}`;
const WEB = `stillwarm web --disk instant --before 1 --after 2 --rate 20 --strategy cold,warm-cache ${COMMON}`;

it.each([REBOOT, `${REBOOT} --crash --workload log`, VMM, WEB])(
  'the JSON and the page of %s are the same on one thread, two and five',
  (line) => {
    const [one, ...more] = [1, 2, 5].map((jobs) => {
      const { status, out } = cli.bash(dir, `${line} --json --report page-${jobs} --jobs ${jobs}`);
      expect(status).toBe(0);
      return { out, page: readFileSync(join(dir, `page-${jobs}/index.html`), 'utf8') };
    });
    expect(JSON.parse(one!.out)).toHaveProperty('digest');
    for (const each of more) expect(each).toEqual(one);
  },
);

it('the dump of memory is the same on one thread and on two', () => {
  const [one, two] = [1, 2].map((jobs) => {
    expect(cli.bash(dir, `${REBOOT} --dump-memory memory-${jobs}.img --jobs ${jobs}`).status).toBe(0);
    return readFileSync(join(dir, `memory-${jobs}.img`));
  });
  expect(one!.equals(two!)).toBe(true);
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
  expect(refused(1)).toMatchObject({ status: 2, err: expect.stringContaining('there is nothing to read') as string });
  expect(refused(3)).toEqual(refused(1));
});

it('a host that allows few open files gets the result from one thread', () => {
  const few = cli.bash(dir, `ulimit -n 32; ${REBOOT} --json --jobs 4`);
  expect(few.status).toBe(0);
  expect(few.out).toBe(cli.bash(dir, `${REBOOT} --json --jobs 1`).out);
});

it('an interrupt ends the program with all its threads', async () => {
  const long = ['vmm-reboot', 'files', '--jobs', '2'];
  const child = spawn(process.execPath, [cli.main, ...long], { cwd: dir, stdio: 'ignore' });
  const ended = once(child, 'exit');
  await setTimeout(1500);
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
});
