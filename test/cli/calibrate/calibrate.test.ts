// `stillwarm calibrate` as a user runs it, on tiny files: what it prints and writes, what it
// refuses, and what it leaves behind. No figure is held against anything: hosts differ.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/commands.ts';
import { parseProfile, profileText } from '../../../src/experiment/host/profile-file.ts';
import { constantsOf } from '../../../src/machine/profile.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { captureIo } from '../capture.ts';
import { BuiltCli } from '../../support/built-cli.ts';
import { TIMEOUT_MS } from '../../support/property.ts';

const cli = new BuiltCli();
let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-calibrate-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
  cli.remove();
});

const QUICK = 'stillwarm calibrate --rounds 1';

describe('calibrate', { timeout: TIMEOUT_MS }, () => {
  it('calibrate writes a profile that can be run on, and tells what it measured and what not', () => {
    const own = join(dir, 'whole');
    mkdirSync(join(own, 'scratch'), { recursive: true });
    const { status, out, err } = cli.bash(
      own,
      `${QUICK} --name mine --scratch scratch --scratch-size 1MiB --out mine.json`,
    );
    expect([status, err]).toEqual([0, '']);
    expect(readdirSync(own).sort()).toEqual(['mine.json', 'scratch']);
    expect(readdirSync(join(own, 'scratch'))).toEqual([]);
    const text = readFileSync(join(own, 'mine.json'), 'utf8');
    const profile = parseProfile('mine.json', text);
    expect([profile.name, profileText(profile)]).toEqual(['mine', text]);
    for (const [name, { provenance, note, value, range }] of constantsOf(profile)) {
      const isListed = new RegExp(`^│ ${name.replace('.', String.raw`\.`)} +│`, 'm').test(out);
      expect([name, isListed]).toEqual([name, / \d{4}-\d\d-\d\d$/.test(note) && provenance === 'measured']);
      if (isListed) expect(value >= range![0] && value <= range![1]).toBe(true);
      else expect(note.startsWith(`from ${SERVER_2026.name}: `)).toBe(true);
    }
    // These are measured wherever there is a dd.
    expect(profile.guest.syscallNs.provenance).toBe('measured');
    expect(profile.hypervisor.processors.provenance).toBe('measured');
    expect(out).toContain('All other constants are from server-2026.\n');
    expect(out.endsWith(`mine.json: the profile; --profile mine.json runs on it.\n`)).toBe(true);

    mkdirSync(join(own, 'files'));
    writeFileSync(join(own, 'files/a'), Buffer.alloc(100_000, 1));
    const line = 'stillwarm reboot files --bare-boot --strategy cold --profile mine.json --json';
    for (const jobs of [1, 2]) {
      const ran = cli.bash(own, `${line} --jobs ${jobs}`);
      expect([ran.status, ran.err]).toEqual([0, '']);
      const result = JSON.parse(ran.out) as {
        profile: string;
        profileConstants: { constant: string; value: number }[];
      };
      expect(result.profile).toBe('mine');
      expect(result.profileConstants).toEqual(
        [...constantsOf(profile)].map(([constant, { value }]) => ({ constant, value })),
      );
    }
  });

  it('calibrate without a place to write to writes nothing, and prints the profile as JSON when asked', () => {
    const own = join(dir, 'nothing');
    mkdirSync(own);
    const { status, out, err } = cli.bash(own, `TMPDIR=$PWD ${QUICK} --base pentium4-2006 --json`);
    expect([status, readdirSync(own)]).toEqual([0, []]);
    const profile = parseProfile('standard output', out);
    expect([profile.name, profileText(profile)]).toEqual(['this-host', out]);
    expect(profile.disk.kind).toBe('disk');
    expect(err).toContain('disk.readLatencyNs: no --scratch DIR says where a scratch file may be written\n');
    expect(err).not.toContain('Nothing was written');
  });

  it('calibrate takes a drive from its data sheet', () => {
    const own = join(dir, 'sheet');
    mkdirSync(own);
    const { status, out } = cli.bash(own, `${QUICK} --json --drive-sheet rpm=7200,seekMs=8.5,MBps=210,GB=4000`);
    expect(status).toBe(0);
    expect(parseProfile('x', out).disk).toMatchObject({ kind: 'disk', constants: { rpm: { value: 7200 } } });
  });

  it('calibrate fits a drive to a log of requests, and prints the demerit', () => {
    const own = join(dir, 'log');
    mkdirSync(own);
    writeFileSync(join(own, 'one.log'), 'R Miss 1000 8 12000 0\nR Miss 5000000 8 12000 100\n');
    const line = `${QUICK} --base pentium4-2006 --drive-log one.log`;
    const { status, out } = cli.bash(own, line);
    expect(status).toBe(0);
    expect(out).toMatch(
      / fitted to one\.log: demerit \d+\.\d % of the mean response, before the fit \d+\.\d %; 2 requests of 12\.00 ms; changed: /,
    );
    for (const [log, told] of [
      ['R Miss 1000', 'one.log, line 1: expected '],
      ['', 'one.log: it has no request'],
      ['R Miss 1000 8 0 0', 'one.log: no request took any time'],
      ['R Miss 500000000 8 12000 0', 'one.log: a request ends at byte 256000004096, beyond the drive of 160000000000'],
    ]) {
      writeFileSync(join(own, 'one.log'), `${log}\n`);
      const io = captureIo(own);
      expect(main(line.split(' ').slice(1), io)).toBe(2);
      expect(io.stderr.text.startsWith(`stillwarm: ${told}`)).toBe(true);
      expect(io.stderr.text).toMatch(/^[^\n]+\n$/);
    }
    expect(readdirSync(own)).toEqual(['one.log']);
  });

  it.each([
    ['--out there.json', 'there.json exists already; name another file'],
    ['--out none/there.json', 'none does not exist'],
    ['--scratch none', '--scratch: $DIR/none: no such file'],
    ['--scratch there.json', '--scratch: $DIR/there.json is not a directory'],
    ['--scratch . --scratch-size 1TiB', '--scratch-size: 1TiB is more than the '],
    ['--scratch /dev/shm', '--scratch: /dev/shm lies in memory, not on a drive'],
    ['--scratch /proc', '--scratch-size: 256MiB is more than the 0 that /proc has free'],
    [
      '--scratch . --drive-sheet rpm=7200,seekMs=8.5,MBps=210,GB=4000',
      '--drive-sheet: the drive is measured by --scratch',
    ],
    ['--drive-sheet rpm=7200,seekMs=8.5,MBps=210,GB=4000,strokeMs=9', '--drive-sheet: disk.constants.averageSeekNs: '],
    ['--name server-2026', '--name: server-2026 is not '],
    ['--base mine.json', '--base: mine.json is none of server-2026, pentium4-2006'],
  ])('calibrate %s is refused in one line, and nothing is left', (options, told) => {
    const own = join(dir, 'refused');
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'there.json'), 'kept');
    const io = captureIo(own);
    expect([main(['calibrate', '--rounds', '1', ...options.split(' ')], io), io.stdout.text]).toEqual([2, '']);
    expect(io.stderr.text).toMatch(/^stillwarm: [^\n]+\n$/);
    expect(io.stderr.text).toContain(told.replace('$DIR', own));
    expect(readdirSync(own)).toEqual(['there.json']);
    expect(readFileSync(join(own, 'there.json'), 'utf8')).toBe('kept');
  });

  it('calibrate without dd, or without room for the scratch file, says so in one line', () => {
    const own = join(dir, 'without');
    mkdirSync(own);
    expect(cli.bash(own, `PATH=/none; ${QUICK}`)).toMatchObject({
      status: 2,
      err: 'stillwarm: calibrate: dd: spawnSync dd ENOENT\n',
    });
    expect(cli.bash(own, `trap '' XFSZ; ulimit -f 256; ${QUICK} --scratch . --scratch-size 4MiB`)).toMatchObject({
      status: 2,
      err: `stillwarm: --scratch: ${own}: too long for a file there\n`,
    });
    expect(readdirSync(own)).toEqual([]);
  });

  it('calibrate that is killed while it has a scratch file leaves nothing behind', async () => {
    const own = join(dir, 'killed');
    mkdirSync(own);
    const argv = ['calibrate', '--rounds', '3', '--scratch', own, '--scratch-size', '256MiB', '--out', 'mine.json'];
    // dd stands aside, so that the scratch file comes soon.
    const tools = join(dir, 'tools');
    mkdirSync(tools);
    writeFileSync(join(tools, 'dd'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const child = spawn(process.execPath, [cli.main, ...argv], {
        cwd: own,
        stdio: 'ignore',
        env: { ...process.env, PATH: tools, TMPDIR: own },
      });
      const ended = once(child, 'close');
      while (child.exitCode === null && !hasScratch(child.pid!)) await wait(5);
      expect(child.exitCode).toBeNull();
      child.kill(signal);
      await ended;
      expect(child.signalCode).toBe(signal);
      expect(readdirSync(own)).toEqual([]);
    }
  });
});

/** Whether a process has a file open that has no name. */
function hasScratch(pid: number): boolean {
  const fds = `/proc/${pid}/fd`;
  if (!existsSync(fds)) return false;
  return readdirSync(fds).some((fd) => {
    try {
      return readlinkSync(join(fds, fd)).endsWith('.scratch (deleted)');
    } catch {
      return false;
    }
  });
}
