import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import type { CampaignOptions } from '../../src/experiment/campaign/options.ts';
import type { CampaignResult } from '../../src/experiment/campaign/result.ts';
import { FAULTS } from '../../src/experiment/campaign/faults.ts';
import type { PageVerdicts } from '../../src/experiment/judge/page-judge.ts';
import { captureIo } from './capture.ts';

const verdicts = (reusedWrongly: number): PageVerdicts => ({
  reusedRightly: 4_000_000,
  reusedWrongly,
  discardedRightly: 1_000_000,
  discardedNeedlessly: 2_000_000,
  notAskedFor: 3_000_000,
});

function run(wrong: number, ...argv: string[]): { status: number; out: string; err: string; asked: CampaignOptions[] } {
  const asked: CampaignOptions[] = [];
  const io = captureIo('/', {
    runCampaign: (options): CampaignResult => {
      asked.push(options);
      const { runs, seed, without, arch = 'x86_64' } = options;
      const guards = ['writeProtection', 'checksum'] as const;
      const one = { injected: 12_345, protected: verdicts(wrong) };
      return {
        schema: 'stillwarm/campaign@1',
        seed,
        runs,
        arch,
        without,
        faults: [
          { fault: 'wild-store', ...one, guards, unguarded: verdicts(77) },
          { fault: 'damaged-table', ...one, guards: [], unguarded: null },
        ],
        costs: [
          { off: [], workNs: 8_765_432, rereadNs: 1_234_567 },
          { off: ['writeProtection', 'checksum'], workNs: 7_000_000, rereadNs: 1_000_000 },
        ],
      };
    },
  });
  const status = main(['campaign', ...argv], io);
  return { status, out: io.stdout.text, err: io.stderr.text, asked };
}

describe('stillwarm campaign', () => {
  it('stillwarm campaign runs every fault with all protections by default', () => {
    expect(run(0).asked).toEqual([{ faults: FAULTS, runs: 10, seed: 1, without: [], arch: 'x86_64' }]);
  });

  it('stillwarm campaign hands on what it is told', () => {
    const told = [
      '--fault',
      'torn-record,crash',
      '--runs',
      '3',
      '--seed',
      '9',
      '--without',
      'scrub,checksum',
      '--arch',
      'x86_32',
    ];
    expect(run(0, ...told).asked).toEqual([
      { faults: ['torn-record', 'crash'], runs: 3, seed: 9, without: ['scrub', 'checksum'], arch: 'x86_32' },
    ]);
  });

  it('stillwarm campaign prints tables that fit in 100 columns and a verdict', () => {
    const { status, out } = run(0, '--without', 'scrub');
    expect(status).toBe(0);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(out).toMatch(/^10 runs of each fault on x86_64, seed 1; all protections on but scrub\n/);
    expect(out).toMatch(/wild-store .* 12,345 .* 4,000,000 .* 1,000,000 .* 2,000,000 .* 3,000,000 .* 0 /);
    expect(out).toMatch(/wild-store .* writeProtection .* 77 /);
    expect(out).toMatch(/ – .* 8,765 .* 1,235 /);
    expect(out).toMatch(/ writeProtection, checksum .* 7,000 .* 1,000 /);
    expect(out.match(/damaged-table/g)).toHaveLength(1);
    expect(out).toMatch(/\nwith its guards on, no page was reused wrongly\n$/);
  });

  it('stillwarm campaign ends with status 1 when a page was reused wrongly with the guards on', () => {
    const { status, out } = run(2);
    expect(status).toBe(1);
    expect(out).toMatch(/\n4 pages were reused wrongly\n$/);
  });

  it('stillwarm campaign prints the result as JSON', () => {
    const { out, status } = run(0, '--json');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      schema: 'stillwarm/campaign@1',
      runs: 10,
      faults: [{}, { unguarded: null }],
    });
  });

  it.each([
    [['--fault', 'rain'], /^stillwarm: --fault: rain is none of crash, [^\n]*\n$/],
    [['--runs', '0'], /^stillwarm: --runs: 0 is not an integer of 1 to 100000\n$/],
    [['--without', 'hope'], /^stillwarm: --without: hope is none of writeProtection, [^\n]*\n$/],
    [['file'], /^stillwarm: unexpected argument file; [^\n]*\n$/],
  ])('the mistake %j is one line and status 2', (argv, message) => {
    const { status, err, asked } = run(0, ...argv);
    expect({ status, asked }).toEqual({ status: 2, asked: [] });
    expect(err).toMatch(message);
  });
});
