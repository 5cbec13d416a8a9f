// What the host refuses, as the process of a user meets it: one line on standard error, status 2,
// and nothing left behind.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BuiltCli } from '../support/built-cli.ts';

let cli: BuiltCli;
beforeAll(() => {
  cli = new BuiltCli();
});
afterAll(() => cli.remove());

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-process-'));
  mkdirSync(join(dir, 'files'));
  writeFileSync(join(dir, 'files/one'), Buffer.alloc(20_000, 1));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const REBOOT = 'stillwarm reboot --memory 16MiB --disk instant --bare-boot --strategy warm-cache files';
/**
 * Files may have four blocks of 1 KiB: a write beyond them is refused, after what fits was taken.
 */
const SMALL_FILES = "trap '' XFSZ; ulimit -f 4;";
const FULL = 'too long for a file there';

function mustBeRefused(line: string, message: RegExp): void {
  const { status, err } = cli.bash(dir, line);
  expect({ status, err }).toEqual({ status: 2, err: expect.stringMatching(message) as string });
  expect(err.split('\n')).toHaveLength(2);
}

describe('a host that refuses', () => {
  it('a host that refuses to take standard output is told in one line', () => {
    const message = /^stillwarm: cannot write standard output: no space left on the device\n$/;
    mustBeRefused('stillwarm --help > /dev/full', message);
    mustBeRefused(`${REBOOT} > /dev/full`, message);
  });

  it('a host that refuses the end of standard output is told in one line', () => {
    mustBeRefused(
      `${SMALL_FILES.replace('4', '1')} stillwarm reboot --help > out`,
      /^stillwarm: cannot write standard output: too long for a file there\n$/,
    );
    expect(readFileSync(join(dir, 'out')).length).toBe(1024);
  });

  it.each([
    [`${REBOOT} --report page/of/it > /dev/null`, `page/of/it/index\\.html: ${FULL}`],
    [`${REBOOT} --dump-memory memory.img`, `memory\\.img: ${FULL}`],
    ['stillwarm mkfs files disk.img', `disk\\.img: ${FULL}`],
  ])('a host that refuses room for an output is told in one line: %s', (line, what) => {
    mustBeRefused(`${SMALL_FILES} ${line}`, new RegExp(`^stillwarm: [^\n]*${what}\n$`));
    const left = readdirSync(dir, { recursive: true });
    expect(left.sort()).toEqual(['files', 'files/one']);
  });

  it('a host that refuses memory is told in one line', () => {
    mustBeRefused(
      `ulimit -v 1500000; ${REBOOT.replace('16MiB', '2GiB')}`,
      /^stillwarm: a machine of \d+ bytes: this host has too little memory\n$/,
    );
  });

  it('a host that refuses the working directory is told in one line', () => {
    const gone = 'mkdir gone; cd gone; rmdir ../gone;';
    mustBeRefused(`${gone} ${REBOOT}`, /^stillwarm: the working directory: no such file\n$/);
    expect(cli.bash(dir, `${gone} stillwarm --version`)).toMatchObject({ status: 0, err: '' });
  });
});

it('the program is one file: it starts where few may be open', () => {
  expect(cli.bash(dir, 'ulimit -n 32; stillwarm --version')).toMatchObject({ status: 0, err: '' });
});

it.each([
  [`${REBOOT} > files/out`, 'standard output lies in PATH, which is being read'],
  [`${REBOOT} 2> files/err; cat files/err >&2; exit 2`, 'standard error lies in PATH, which is being read'],
  ['stillwarm mkfs files disk.img >> files/one', 'standard output lies in DIR, which is being read'],
  ['stillwarm inspect files/one >> files/one', 'standard output is MEMORY.img itself'],
])('the command %s is refused', (line, message) => {
  mustBeRefused(line, new RegExp(`^stillwarm: ${message}\\n$`));
  expect(readFileSync(join(dir, 'files/one')).equals(Buffer.alloc(20_000, 1))).toBe(true);
});

it('both streams may go to one file', () => {
  expect(cli.bash(dir, `${REBOOT} > log 2>&1`)).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(join(dir, 'log'), 'utf8')).toMatch(/\nverified [^\n]*: all equal\n$/);
});

it('standard error that takes nothing leaves the status as it is', () => {
  expect(cli.bash(dir, 'stillwarm reboot nowhere 2> /dev/full')).toMatchObject({ status: 2, out: '' });
});

it('a reader that goes away is no failure', () => {
  expect(cli.bash(dir, `set -o pipefail; ${REBOOT} | head -1`)).toMatchObject({ status: 0, err: '' });
});
