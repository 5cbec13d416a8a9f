import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import type { WebOptions } from '../../src/experiment/web/options.ts';
import { STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { sampleWebResult } from '../report/web-sample.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo } from './capture.ts';

function run(cwd: string, argv: readonly string[], isWrong = false) {
  const asked: WebOptions[] = [];
  const io = captureIo(cwd, {
    runWeb: (options) => {
      asked.push(options);
      const mismatches = isWrong ? [{ strategy: 'cold' as const, what: 'byte 3 was read wrong' }] : [];
      return { result: sampleWebResult(), mismatches, notices: [] };
    },
  });
  const status = main(['web', ...argv], io);
  return { status, asked, out: io.stdout.text, err: io.stderr.text };
}

describe('stillwarm web', () => {
  it('stillwarm web asks by default for an open loop over the installed modules', () => {
    const [options] = run('/', []).asked;
    expect(options).toMatchObject({
      memory: 1 << 30,
      profile: 'pentium4-2006',
      strategies: ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'],
      crash: false,
      loop: 'open',
      rate: 100,
      arrivals: 'constant',
      connections: 10,
      timeout: 5,
      order: 'zipf',
      alpha: 1,
      sizes: undefined,
      workers: 150,
      sending: 'sendfile',
      before: 30,
      after: 40,
      limit: 16 << 20,
      withoutHidden: true,
    });
    expect(options!.path).toMatch(/node_modules$/);
    expect(run('/', ['--crash']).asked[0]!.strategies.at(-1)).toBe('rio');
  });

  it('stillwarm web hands on what it is told', () => {
    inTemporaryDirectory((dir) => {
      mkdirSync(join(dir, 'files'));
      const open = run(dir, '--rate 0.5 --arrivals poisson --alpha 0 --prefetch-rate 1M --limit 2M files'.split(' '));
      expect(open.asked).toMatchObject([
        { path: join(dir, 'files'), rate: 0.5, arrivals: 'poisson', alpha: 0, prefetchRate: 1 << 20, limit: 2 << 20 },
      ]);
      const closed = run(
        dir,
        '--loop closed --connections 3 --think 0.25 --timeout 1.5 --files once --workers 2 --send read --before 3 --after 4 --sizes 10x64KiB'.split(
          ' ',
        ),
      );
      expect(closed.asked).toMatchObject([
        { loop: 'closed', connections: 3, think: 0.25, timeout: 1.5, order: 'once', workers: 2, sending: 'read' },
      ]);
      expect(closed.asked).toMatchObject([
        { before: 3, after: 4, sizes: { count: 10, size: 65_536 }, limit: undefined, path: '--sizes 10x65536' },
      ]);
    });
  });

  it('stillwarm web prints tables, or one JSON object, and writes a page', () => {
    inTemporaryDirectory((dir) => {
      const text = run(dir, ['--report', 'page']);
      expect(text.status).toBe(0);
      expect(text.out).toMatch(/^What does the reboot cost the service\?\n/);
      expect(readFileSync(join(dir, 'page', 'index.html'), 'utf8')).toMatch(/^<!doctype html>/);
      expect(JSON.parse(run(dir, ['--json']).out)).toEqual(JSON.parse(JSON.stringify(sampleWebResult())));
      expect(run(dir, ['--help']).out).toContain('--prefetch-rate SIZE');
    });
  });

  it('stillwarm web ends with status 1 when something differs from the disk', () => {
    expect(run('/', [], true).status).toBe(1);
    expect(run('/', ['--json'], true)).toMatchObject({ status: 1, err: 'mismatch (cold): byte 3 was read wrong\n' });
  });

  it.each([
    ['--rate 0', '--rate: 0 is not a number of more than 0 to 100000 such as 5 or 0.25'],
    ['--rate 1e5', '--rate: 1e5 is not a number of more than 0 to 100000 such as 5 or 0.25'],
    ['--timeout 0', '--timeout: 0 is not a number of more than 0 to 3600 such as 5 or 0.25'],
    ['--think 9 --loop open', '--think: the clients of the open loop do not wait: add --loop closed'],
    ['--loop closed --rate 5', '--rate: the closed loop has no rate: add --loop open, or leave it out'],
    [
      '--loop closed --arrivals poisson',
      '--arrivals: the closed loop has no arrivals: add --loop open, or leave it out',
    ],
    ['--files once --alpha 1', "--alpha: --files once does not follow Zipf's law"],
    ['--connections 0', '--connections: 0 is not an integer of 1 to 1000'],
    ['--workers 1025', '--workers: 1025 is not an integer of 1 to 1024'],
    ['--before 0', '--before: 0 is not an integer of 1 to 3600'],
    ['--sizes 64KiB', '--sizes: 64KiB is not COUNTxSIZE such as 1000x64KiB'],
    ['--sizes 0x1K', '--sizes: 0 is not an integer of 1 to 1000000'],
    ['--sizes 9x0', '--sizes: 0 is not a size in bytes such as 65536, 512M, 256MB or 1.5GiB'],
    ['--sizes 5x1GiB', '--sizes: 5x1GiB is more than 4GiB in all'],
    ['--sizes 5x1K files', '--sizes: give PATH, or files that are made, not both'],
    ['--sizes 5x1K --limit 1K', '--limit: --sizes says how much there is'],
    [
      '--set hypervisor.domain0BootNs=5',
      '--set: hypervisor.domain0BootNs changes nothing here: no figure of this command rests on it',
    ],
    [
      '--disk nvme --set disk.rpm=5400',
      '--set: disk.rpm is of the drive of pentium4-2006, which --disk nvme takes out: leave out one',
    ],
    ['--strategy cold --prefetch-rate 1M', '--prefetch-rate: no strategy is prefetch'],
    ['--strategy rio', '--strategy: rio is for a guest that crashes: add --crash'],
    ['--strategy hope', `--strategy: hope is none of ${STRATEGIES.join(', ')}`],
    ['nothing', 'PATH: /nothing does not exist'],
  ])('the mistake "%s" is one line and status 2', (argv, message) => {
    expect(run('/', argv.split(' '))).toEqual({ status: 2, asked: [], out: '', err: `stillwarm: ${message}\n` });
  });
});
