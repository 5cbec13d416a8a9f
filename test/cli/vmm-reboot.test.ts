import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import { runVmmReboot } from '../../src/experiment/vmm/experiment.ts';
import type { VmmExperimentOptions } from '../../src/experiment/vmm/options.ts';
import { VMM_STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo } from './capture.ts';

const MISMATCH = { vms: 2, memory: 1 << 30, strategy: 'warm-vm' as const, what: 'byte 3 was read wrong' };

function run(cwd: string, argv: readonly string[], isWrong = false) {
  const asked: VmmExperimentOptions[] = [];
  const io = captureIo(cwd, {
    runVmmReboot: (options) => {
      asked.push(options);
      return { result: sampleVmmResult(), mismatches: isWrong ? [MISMATCH] : [], notices: [] };
    },
  });
  const status = main(['vmm-reboot', ...argv], io);
  return { status, asked, out: io.stdout.text, err: io.stderr.text };
}

describe('stillwarm vmm-reboot', () => {
  it('stillwarm vmm-reboot asks by default for one guest of 1 GiB under every strategy, and the series', () => {
    const [options] = run('/', []).asked;
    expect(options).toMatchObject({
      vms: 1,
      memory: 1 << 30,
      disk: 'profile',
      profile: 'pentium4-2006',
      strategies: VMM_STRATEGIES,
      seed: 1,
      limit: 16 << 20,
      series: true,
      withoutHidden: true,
    });
    expect(options!.path).toMatch(/node_modules$/);
  });

  it('stillwarm vmm-reboot hands on what it is told', () => {
    inTemporaryDirectory((dir) => {
      mkdirSync(join(dir, 'files'));
      const argv =
        '--vms 3 --memory 64M --strategy warm-vm,shutdown-boot --single --disk nvme --profile server-2026 --arch x86_32';
      const { asked } = run(dir, [
        ...argv.split(' '),
        '--seed',
        '9',
        '--set',
        'guest.syscallNs=500,nic.lineMBps=12.5',
        '--limit',
        '1M',
        'files',
      ]);
      expect(asked).toEqual([
        {
          path: join(dir, 'files'),
          withoutBootFiles: false,
          vms: 3,
          memory: 64 << 20,
          disk: 'nvme',
          profile: 'server-2026',
          constants: { 'guest.syscallNs': 500, 'nic.lineMBps': 12.5 },
          arch: 'x86_32',
          strategies: ['warm-vm', 'shutdown-boot'],
          seed: 9,
          limit: 1 << 20,
          series: false,
          backend: 'partition',
        },
      ]);
    });
  });

  it('stillwarm vmm-reboot prints tables, or one JSON object, and writes a page', () => {
    inTemporaryDirectory((dir) => {
      const text = run(dir, ['--report', 'page']);
      expect(text.status).toBe(0);
      expect(text.out).toContain('How long does a reboot of the hypervisor take under 2 guests of 1 GiB?');
      expect(readFileSync(join(dir, 'page', 'index.html'), 'utf8')).toMatch(/^<!doctype html>/);
      expect(JSON.parse(run(dir, ['--json']).out)).toEqual(JSON.parse(JSON.stringify(sampleVmmResult())));
    });
  });

  it('stillwarm vmm-reboot ends with status 1 when something differs from the disk', () => {
    expect(run('/', [], true)).toMatchObject({ status: 1 });
    const json = run('/', ['--json'], true);
    expect(json.status).toBe(1);
    expect(json.err).toBe('mismatch (warm-vm, 2 × 1073741824): byte 3 was read wrong\n');
  });

  it.each([
    [['--vms', '0'], '--vms: 0 is not an integer of 1 to 95'],
    [['--vms', '96'], '--vms: 96 is not an integer of 1 to 95'],
    [
      ['--vms', '2', '--memory', '64G'],
      '--vms 2 --memory 64GiB: 2 guests of x86_32 together have at most 16047MiB (16,826,499,072 bytes) of memory: ask for fewer or smaller guests',
    ],
    [['--strategy', 'hope'], `--strategy: hope is none of ${VMM_STRATEGIES.join(', ')}`],
    [['nothing'], 'PATH: /nothing does not exist'],
    [['--set', 'guest.syscallNs'], '--set: guest.syscallNs is not NAME=NUMBER such as guest.syscallNs=500'],
    [['--set', 'nic.lineMBps=-1'], '--set: nic.lineMBps=-1 is not NAME=NUMBER such as guest.syscallNs=500'],
    [['--set', 'nic.lineMBps=1,nic.lineMBps=2'], '--set: nic.lineMBps is named twice'],
    [
      ['--set', 'nic.rate=1'],
      '--set: pentium4-2006 has no constant nic.rate; there are nic.lineMBps, nic.segmentBytes, nic.segmentOverheadBytes, nic.latencyNs, nic.queueBytes',
    ],
    [
      ['--set', 'copyNsPerByte=1'],
      '--set: pentium4-2006 has no constant copyNsPerByte; there are names that begin with guest., hypervisor., disk., nic.',
    ],
    [
      ['--set', 'disk.rpm=5400', '--disk', 'instant'],
      '--set: disk.rpm is of the drive of pentium4-2006, which --disk instant takes out: leave out one',
    ],
    [['--set', 'guest.syscallNs=0.5'], '--set: guest.syscallNs: expected an integer, 0 to 400000, got 0.5'],
    [['--set', 'disk.averageSeekNs=1'], '--set: averageSeekNs: the seek times make a curve that never falls'],
  ])('the mistake %j is one line and status 2', (argv, message) => {
    expect(run('/', argv)).toEqual({ status: 2, asked: [], out: '', err: `stillwarm: ${message}\n` });
  });

  it('stillwarm vmm-reboot names the file at fault, and writes nothing', () => {
    inTemporaryDirectory((dir) => {
      writeFileSync(join(dir, 'image'), 'no image');
      const io = captureIo(dir, { runVmmReboot });
      expect(main(['vmm-reboot', '--report', 'page', 'image'], io)).toBe(2);
      expect(io.stderr.text).toBe(`stillwarm: ${join(dir, 'image')}: 8 bytes are too few for an ext2 image\n`);
    });
  });
});
