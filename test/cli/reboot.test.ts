import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/base/index.ts';
import { installedModules, reboot } from '../../src/cli/reboot.ts';
import { sampleResult } from '../report/sample.ts';
import { Capture, captureIo } from './capture.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-cli-'));
  mkdirSync(join(dir, 'files'));
  writeFileSync(join(dir, 'a-file'), 'x');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const mismatch = { strategy: 'warm-cache' as const, what: 'page 3 of /a differs', history: ['named', 'claimed'] };

describe('the options of the experiment', () => {
  it('the options of the experiment have other strategies by default where a guest crashes that writes', () => {
    const io = captureIo(dir);
    reboot(['files', '--crash', '--workload', 'log'], io);
    expect(io.ran[0]!.strategies).toEqual(['cold', 'warm-cache', 'rio', 'rio+warm-cache']);
    reboot(['files', '--crash', '--strategy', 'rio'], io);
    expect(io.ran[1]!.strategies).toEqual(['rio']);
  });

  it('the options of the experiment have defaults', () => {
    const io = captureIo(dir);
    expect(reboot(['files'], io)).toBe(0);
    expect(io.ran).toEqual([
      {
        path: join(dir, 'files'),
        withoutBootFiles: false,
        memory: 2 ** 30,
        disk: 'profile',
        profile: 'pentium4-2006',
        strategies: ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'],
        backend: 'partition',
        workload: 'files',
        seed: 1,
        limit: undefined,
        crash: false,
        checksum: false,
        dumpMemory: undefined,
      },
    ]);
  });

  it("the options of the experiment may be about domain 0's page cache", () => {
    const io = captureIo(dir);
    expect(
      reboot(['files', '--backend', 'file', '--domain0-cache', '448MiB', '--domain0-curve', '256MiB, 0'], io),
    ).toBe(0);
    expect(io.ran[0]).toMatchObject({ backend: 'file', domain0Cache: 448 * 2 ** 20, domain0Curve: [2 ** 28, 0] });
    for (const [argv, message] of [
      [['--domain0-cache', '1GiB'], '--domain0-cache: a partition is reached without it: add --backend file'],
      [['--backend', 'file', '--domain0-cache', '1023KiB'], '--domain0-cache: 1023KiB is not 1MiB to 64GiB'],
      [['--backend', 'phy'], '--backend: phy is none of partition, file'],
      [['--domain0-curve', '2MiB,2048KiB'], '--domain0-curve: 2MiB is named twice'],
      [['--domain0-curve', '2MiB,'], '--domain0-curve:'],
      [['--domain0-curve', Array.from({ length: 33 }, (_, n) => `${n + 1}MiB`).join()], '33 sizes are more than 32'],
    ] as const)
      expect(() => reboot(['files', ...argv], io)).toThrow(message);
    expect(io.ran).toHaveLength(1);
  });

  it('the options of the experiment are taken from the command line', () => {
    const io = captureIo(dir);
    const argv =
      'files --memory 256M --disk nvme --profile server-2026 --arch x86_32 --strategy warm-cache,cold --workload zipf --seed 9 --limit 1G --crash --checksum --expire 60 --dump-memory m.img';
    reboot(argv.split(' '), io);
    expect(io.ran).toEqual([
      {
        path: join(dir, 'files'),
        withoutBootFiles: false,
        memory: 2 ** 28,
        disk: 'nvme',
        backend: 'partition',
        profile: 'server-2026',
        arch: 'x86_32',
        strategies: ['warm-cache', 'cold'],
        workload: 'zipf',
        seed: 9,
        limit: 2 ** 30,
        crash: true,
        checksum: true,
        expire: 60,
        dumpMemory: join(dir, 'm.img'),
      },
    ]);
  });

  it('the options of the experiment without PATH read the modules that this program was installed with', () => {
    const io = captureIo(dir);
    reboot([], io);
    expect(basename(io.ran[0]!.path)).toBe('node_modules');
    expect(io.ran[0]!.withoutHidden).toBe(true);
    reboot(['files'], io);
    expect(io.ran[1]!.withoutHidden).toBeUndefined();
    expect(existsSync(join(io.ran[0]!.path, 'cli-table3'))).toBe(true);
  });

  it('the experiment finds node_modules beside, above and around the package', () => {
    const bin = join(dir, 'node_modules/stillwarm/dist/cli/main.js');
    mkdirSync(join(dir, 'node_modules/stillwarm/dist/cli'), { recursive: true });
    expect(installedModules(pathToFileURL(bin).href)).toBe(join(dir, 'node_modules'));
    mkdirSync(join(dir, 'node_modules/stillwarm/node_modules'));
    expect(installedModules(pathToFileURL(bin).href)).toBe(join(dir, 'node_modules/stillwarm/node_modules'));
  });
});

describe('what is printed', () => {
  it('what is printed is the tables and the verified line, exit status 0', () => {
    const io = captureIo(dir);
    expect(reboot(['files'], io)).toBe(0);
    expect(io.stdout.text).toMatch(/\nverified 1,307,744 pages, 4,628,800,000 bytes: all equal\n$/);
    expect(io.stderr.text).toBe('');
  });

  it('what is printed with --json is exactly the result', () => {
    const io = captureIo(dir);
    expect(reboot(['files', '--json'], io)).toBe(0);
    expect(JSON.parse(io.stdout.text)).toEqual(sampleResult());
  });

  it('what is printed when a page differs has its history, and exit status is 1', () => {
    const io = captureIo(dir, { runReboot: () => ({ result: sampleResult(), mismatches: [mismatch], notices: [] }) });
    expect(reboot(['files'], io)).toBe(1);
    expect(io.stdout.text).toMatch(/mismatch \(warm-cache\): page 3 of \/a differs\n {4}named\n {4}claimed\n/);
  });

  it('what is printed with --json keeps the histories off standard output', () => {
    const io = captureIo(dir, { runReboot: () => ({ result: sampleResult(), mismatches: [mismatch], notices: [] }) });
    expect(reboot(['files', '--json'], io)).toBe(1);
    expect(JSON.parse(io.stdout.text)).toEqual(sampleResult());
    expect(io.stderr.text).toContain('    claimed\n');
  });

  it('what is printed counts as different when the result alone says so', () => {
    const result = sampleResult();
    const strategies = result.strategies.map((each) => ({ ...each, verified: { ...each.verified, mismatches: 1 } }));
    const io = captureIo(dir, {
      runReboot: () => ({ result: { ...result, strategies }, mismatches: [], notices: [] }),
    });
    expect(reboot(['files'], io)).toBe(1);
  });

  it('what is printed shows progress on a terminal only, and only after a second', () => {
    const quick = captureIo(dir, {
      stderr: new Capture(true),
      runReboot: (_options, onProgress) => {
        onProgress?.({ phase: 'cold', done: 1, total: 2 });
        return { result: sampleResult(), mismatches: [], notices: [] };
      },
    });
    reboot(['files'], quick);
    expect(quick.stderr.text).toBe('');
  });
});

describe('the report', () => {
  it('the report is one page in a directory that is made for it', () => {
    const io = captureIo(dir);
    expect(reboot(['files', '--report', 'new/deep'], io)).toBe(0);
    expect(readdirSync(join(dir, 'new/deep'))).toEqual(['index.html']);
    expect(readFileSync(join(dir, 'new/deep/index.html'), 'utf8')).toMatch(/^<!doctype html>[^]*<\/html>\n$/);
    expect(reboot(['files', '--report', 'new/deep'], io)).toBe(0);
  });
});

describe('a mistake', () => {
  it.each([
    [['nowhere'], /^PATH: .*nowhere does not exist$/],
    [['files', '--report', 'a-file'], /^--report: .*a-file is not a directory$/],
    [['files', '--report', 'a-file/below'], /^--report: .*a-file is not a directory$/],
    [['files', '--dump-memory', 'files'], /^--dump-memory: .*files is a directory$/],
    [['files', '--dump-memory', 'nowhere/m.img'], /^--dump-memory: .*nowhere does not exist$/],
    [['a-file', '--dump-memory', 'a-file'], /^--dump-memory: .*a-file is PATH itself$/],
    [['a-file', '--dump-memory', 'a-link'], /^--dump-memory: .*a-link is PATH itself$/],
    [['files', '--seed', 'x'], /^--seed: x is not an integer/],
    [['files', '--expire', '0'], /^--expire: 0 is not an integer of 1 to 999999$/],
    [
      ['files', '--strategy', 'hot'],
      /^--strategy: hot is none of cold, prefetch, warm-cache, warm-cache\+metadata, rio, rio\+warm-cache$/,
    ],
    [['files', '--set', 'disk.rpm=0'], /^--set: disk\.rpm: /],
    [
      ['files', '--set', 'disk.channels=4'],
      /^--set: pentium4-2006 has no constant disk\.channels; there are disk\.cap/,
    ],
    [
      ['files', '--disk', 'nvme', '--set', 'disk.rpm=5400'],
      /^--set: disk\.rpm is of the drive of pentium4-2006, which --disk nvme takes out: leave out one$/,
    ],
    [['files', '--disk', 'instant', '--set', 'disk.rpm=5400'], /^--set: disk\.rpm is of the drive .* --disk instant/],
    [
      ['files', '--profile', 'server-2026', '--disk', 'disk', '--set', 'disk.channels=4'],
      /^--set: disk\.channels is of the drive of server-2026, which --disk disk takes out: leave out one$/,
    ],
    [
      ['files', '--set', 'nic.latencyNs=5'],
      /^--set: nic\.latencyNs changes nothing here: no figure of this command rests on it$/,
    ],
    [['files', '--set', 'guest.suspendNs=5'], /^--set: guest\.suspendNs changes nothing here/],
    [['files', '--strategy', 'cold,rio'], /^--strategy: rio is for a guest that crashes: add --crash$/],
  ])('the mistake %j is found before anything is run or written', (argv, message) => {
    symlinkSync('a-file', join(dir, 'a-link'));
    const io = captureIo(dir);
    let text = '';
    try {
      reboot(argv, io);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      text = error.message;
    }
    expect(text).toMatch(message);
    expect(io.ran).toEqual([]);
    expect(io.stdout.text).toBe('');
    expect(readdirSync(dir).sort()).toEqual(['a-file', 'a-link', 'files']);
  });
});
