import { describe, expect, it } from 'vitest';
import type { CheckEntry } from '../../../src/cli/check/entry.ts';
import { FAULTS_ENTRY } from '../../../src/cli/check/faults.ts';
import { main } from '../../../src/cli/commands.ts';
import { FAULTS } from '../../../src/lab/faults/faults.ts';
import { captureIo } from '../capture.ts';

const verdicts = (name: string, reusedWrongly: number): Record<string, number> => ({
  [`${name}.reusedRightly`]: 4_000_000,
  [`${name}.reusedWrongly`]: reusedWrongly,
  [`${name}.discardedRightly`]: 1_000_000,
  [`${name}.discardedNeedlessly`]: 2_000_000,
  [`${name}.notAskedFor`]: 3_000_000,
});

/** Its one case has these counts. */
const entryWith = (counts: Record<string, number>, asked: unknown[], wrong = 0): CheckEntry => ({
  ...FAULTS_ENTRY,
  checkOf: () => ({
    name: 'faults',
    count: () => 1,
    play: (part) => {
      asked.push(part.options);
      const violation = { at: 0, law: 'a law', what: `${wrong} pages`, replay: 'stillwarm again', history: [] };
      return { part, done: 1, counts, reached: {}, violations: wrong > 0 ? [violation] : [] };
    },
  }),
});

function run(wrong: number, ...argv: string[]): { status: number; out: string; err: string; asked: unknown[] } {
  const asked: unknown[] = [];
  const counts = {
    states: 52,
    'wild-store.injected': 12_345,
    ...verdicts('wild-store.protected', wrong),
    ...verdicts('wild-store.unguarded', 77),
    'damaged-table.injected': 12_345,
    ...verdicts('damaged-table.protected', wrong),
    'cost without nothing.workNs': 8_765_432,
    'cost without nothing.rereadNs': 1_234_567,
    'cost without writeProtection+checksum.workNs': 7_000_000,
    'cost without writeProtection+checksum.rereadNs': 1_000_000,
  };
  const io = captureIo('/', { checks: [entryWith(counts, asked, wrong)] });
  const status = main(['check', 'faults', ...argv], io);
  return { status, out: io.stdout.text, err: io.stderr.text, asked };
}

describe('stillwarm check faults', () => {
  it('stillwarm check faults runs every fault with all protections by default', () => {
    expect(run(0).asked).toEqual([{ faults: FAULTS, runs: 10, seed: 1, without: [], arch: 'x86_64' }]);
  });

  it('stillwarm check faults hands on what it is told', () => {
    const told = '--fault torn-record,crash --runs 3 --seed 9 --without scrub,checksum --arch x86_32'.split(' ');
    expect(run(0, ...told).asked).toEqual([
      { faults: ['torn-record', 'crash'], runs: 3, seed: 9, without: ['scrub', 'checksum'], arch: 'x86_32' },
    ]);
  });

  it('stillwarm check faults prints tables that fit in 100 columns and a verdict', () => {
    const { status, out } = run(0, '--without', 'scrub');
    expect(status).toBe(0);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(out).toMatch(/^10 runs of each fault on x86_64, seed 1; all protections on but scrub\n/);
    expect(out).toMatch(/wild-store .* 12,345 .* 4,000,000 .* 1,000,000 .* 2,000,000 .* 3,000,000 .* 0 /);
    expect(out).toMatch(/wild-store .* writeProtection .* 77 /);
    expect(out).toMatch(/ – .* 8,765 .* 1,235 /);
    expect(out).toMatch(/ writeProtection, checksum .* 7,000 .* 1,000 /);
    expect(out.match(/damaged-table/g)).toHaveLength(1);
    expect(out).toMatch(
      /\nwith its guards on, no page was reused wrongly\n\n52 states, 1 of 1 run covered, 0 violations\n$/,
    );
  });

  it('stillwarm check faults ends with status 1 and a line to replay when a page was reused wrongly with the guards on', () => {
    const { status, out } = run(2);
    expect(status).toBe(1);
    expect(out).toMatch(
      /\n4 pages were reused wrongly\n\nrun 0: a law: 2 pages\nreplay: stillwarm again\n\n52 states, 1 of 1 run covered, 1 violation\n$/,
    );
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

  it('the name that the command had says where it went', () => {
    const io = captureIo('/');
    expect(main(['campaign', '--runs', '1'], io)).toBe(2);
    expect(io.stderr.text).toBe(
      'stillwarm: campaign is now check faults: stillwarm check faults, with the same options\n',
    );
  });

  it('the line that replays a violation of the real check finds it again, alone', () => {
    const line = '--fault crash,bit-flip --runs 1 --seed 3 --without checksum --arch x86_32'.split(' ');
    const check = (...argv: string[]): { status: number; out: string } => {
      const io = captureIo('/');
      return { status: main(['check', 'faults', ...argv, '--json'], io), out: io.stdout.text };
    };
    interface Found {
      readonly cases: number;
      readonly violations: readonly { readonly what: string; readonly replay: string }[];
    }
    const whole = check(...line);
    expect(whole.status).toBe(1);
    const { cases, violations } = JSON.parse(whole.out) as Found;
    expect({ cases, violations: violations.length }).toEqual({ cases: 6, violations: 1 });
    const again = check(...violations[0]!.replay.split(' ').slice(3));
    expect(again.status).toBe(1);
    const alone = JSON.parse(again.out) as Found;
    expect(alone.cases).toBe(1);
    expect(alone.violations.map(({ what }) => what)).toEqual([violations[0]!.what]);
  });
});
