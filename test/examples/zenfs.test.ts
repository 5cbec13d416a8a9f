// ZenFS, software of others, on a guest: its own suite, and isomorphic-git on it.
import { readFileSync } from 'node:fs';
import { configureSingle, fs, sync } from '@zenfs/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Guest } from '../../examples/zenfs/backend.ts';
import { commits, type End } from '../../examples/zenfs/git.ts';
import { files, Machine } from '../../src/index.ts';
import { casesOf, containsSample } from '../support/product.ts';
import { Suite, SUITE_FILES, type SuiteRun } from '../support/zenfs/suite.ts';

const EXAMPLE = new URL('../../examples/zenfs/', import.meta.url);
const textOf = (file: string): string => readFileSync(new URL(file, EXAMPLE), 'utf8');

/** The tests that fail on a guest, each with its reason, as the README lists them. */
const EXCEPTIONS = new Map(
  [...textOf('README.md').matchAll(/^\| `(.+)` \| (.+) \|$/gm)].map(([, name, reason]) => [name!, reason!]),
);

/** What is to come of tests: all that pass on the memory backend pass, less the exceptions. */
const wanted = ({ passed }: SuiteRun, files: readonly string[]): [string, boolean][] =>
  [...passed]
    .filter(([name]) => files.includes(name.split(' > ')[0]!))
    .map(([name, hasPassed]) => [name, hasPassed && !EXCEPTIONS.has(name)]);

const sorted = (results: Iterable<readonly [string, boolean]>): unknown =>
  [...results].sort(([a], [b]) => (a < b ? -1 : 1));

describe('ZenFS on a guest', () => {
  let suite: Suite;
  let memory: SuiteRun;
  beforeAll(async () => {
    suite = await Suite.build();
    memory = await suite.run('memory');
  });
  afterAll(() => suite.remove());

  it('the suite of ZenFS passes whole on its memory backend', () => {
    expect([...memory.passed].filter(([, hasPassed]) => !hasPassed)).toEqual([]);
    expect(textOf('README.md')).toContain(`${memory.passed.size} tests`);
  });

  it('the suite of ZenFS passes on a guest but for the exceptions that the README lists', async () => {
    const isExceptional = (file: string): boolean =>
      [...EXCEPTIONS.keys()].some((name) => name.startsWith(`${file} > `));
    const others = SUITE_FILES.filter((file) => !isExceptional(file));
    const played = casesOf('the suite of ZenFS on a guest', 'guest', others, { sample: 6 });
    const files = SUITE_FILES.filter((file) => isExceptional(file) || played.includes(file));
    const { passed, mismatches } = await suite.run('guest', files);
    expect(sorted(passed)).toEqual(sorted(wanted(memory, files)));
    expect([...EXCEPTIONS.keys()].filter((name) => !passed.has(name))).toEqual([]);
    expect(mismatches).toBe(0);
  });

  it.each(['warm', 'crash'] as const)(
    'the suite of ZenFS passes with a reboot between any two tests: %s',
    async (mode) => {
      const files = casesOf('the suite of ZenFS on a guest', mode, SUITE_FILES, { sample: 2, whole: 21 });
      const { passed, reboots, reused, mismatches } = await suite.run(mode, files);
      expect(sorted(passed)).toEqual(sorted(wanted(memory, files)));
      expect(reboots).toBeGreaterThanOrEqual(passed.size);
      if (containsSample()) expect(reused).toBeGreaterThan(40);
      expect(mismatches).toBe(0);
    },
  );
});

describe('the backend of ZenFS', () => {
  it('a full disk is ENOSPC, and what was there stays whole after a crash', async () => {
    const disk = files({ old: 'x'.repeat(10_000) }, { size: 6 << 20, journalBlocks: 1024 });
    const machine = Machine.boot({ disk, memory: 16 << 20 });
    await configureSingle({ backend: Guest, machine });
    expect(() => fs.writeFileSync('/new', new Uint8Array(4 << 20))).toThrow(
      expect.objectContaining({ code: 'ENOSPC' }),
    );
    // ZenFS would write it again.
    fs.truncateSync('/new', 0);
    fs.unlinkSync('/new');
    await sync();
    machine.reboot({ crash: true });
    expect(fs.readdirSync('/').sort()).toEqual(['lost+found', 'old']);
    expect(fs.readFileSync('/old', 'utf8')).toBe('x'.repeat(10_000));
  });

  it('attributes, owners and times to the microsecond are there after a crash, and what was taken away is not', async () => {
    const disk = files({ file: '' }, { journalBlocks: 1024, inodeBytes: 256 });
    const machine = Machine.boot({ disk, memory: 16 << 20 });
    await configureSingle({ backend: Guest, machine });
    for (const name of ['user.a', 'user.b'] as const) fs.xattr.setSync('/file', name, `value of ${name}`);
    fs.xattr.removeSync('/file', 'user.a');
    await fs.promises.chown('/file', 70_000, 5);
    await fs.promises.chmod('/file', 0o4711);
    await fs.promises.utimes('/file', 1_000_000_000.123456, 1_100_000_000.654321);
    await sync();
    machine.reboot({ crash: true });
    expect(fs.xattr.listSync('/file')).toEqual(['user.b']);
    expect(fs.xattr.getSync('/file', 'user.b', { encoding: 'utf8' })).toBe('value of user.b');
    const { uid, gid, mode, atimeMs, mtimeMs } = await fs.promises.stat('/file');
    expect([uid, gid, mode]).toEqual([70_000, 5, 0o104711]);
    expect([atimeMs, mtimeMs]).toEqual([
      expect.closeTo(1_000_000_000_123.456, 3),
      expect.closeTo(1_100_000_000_654.321, 3),
    ]);
  });
});

describe('git on ZenFS on a guest', () => {
  it('each commit is there after a crash, a loss of power and a reboot, and so are its files', async () => {
    const ends: End[] = ['crash', 'power loss', 'reboot', 'crash'];
    const log: string[] = [];
    for await (const found of commits(ends)) {
      log.unshift(`commit ${log.length}`);
      expect(found).toEqual({ log, changed: [], preserved: found.preserved, wrong: 0 });
      // After a loss of power there is nothing to take over.
      expect(found.preserved > 0).toBe(ends[log.length - 1] !== 'power loss');
    }
    expect(log).toHaveLength(ends.length);
  });
});
