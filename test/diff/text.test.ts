import { describe, expect, it } from 'vitest';
import { compareResults, renderComparison, type CompareOptions } from '../../src/diff/index.ts';
import { asRead, plain, RESULTS, type Plain, type PlainObject } from './results.ts';

const text = (a: Plain, b: Plain, options: Partial<CompareOptions> = {}): string =>
  renderComparison(compareResults(asRead(a), asRead(b), { tolerance: 0, only: '', ...options }), ['a.json', 'b.json']);

const REBOOT = { schema: 'stillwarm/reboot@1', digest: '0123456789abcdef' };
const strategy = (name: string, rebootNs: number, more: PlainObject = {}): PlainObject => ({ name, rebootNs, ...more });
const run = (ns: number, bytes: number): PlainObject => ({ phase: 'after', number: 1, bytes, ns });

describe('the text of a comparison', () => {
  it('the text of a comparison has a table for the inputs, and one for each thing, with exact figures', () => {
    const a = {
      ...REBOOT,
      ...{ seed: 1, memory: 1_000_000_000, disk: 'profile', expire: null, fitted: ['guest.a', 'guest.b'] },
      strategies: [
        // 24 s + 600 ms is 2.5 % more; 800 µs for 640 µs a quarter more; 0 has no percentage.
        strategy('cold', 24_000_000_000, { runs: [run(640_000, 1500)], pages: { reused: 0 } }),
        strategy('warm-cache', 8_000, { crash: true, hypercalls: { share: 0.25 } }),
        strategy('prefetch', 1, { runs: [run(1, 1)] }),
      ],
    };
    const b = {
      ...REBOOT,
      ...{ seed: 2, memory: 1_250_000_000, disk: 'nvme', expire: 60, fitted: ['guest.c', 'guest.b'] },
      digest: 'fedcba9876543210',
      strategies: [
        // 8 µs less 999 ns is 12.5 % less, to three digits; 0.25 less 0.05 a fifth.
        strategy('warm-cache', 7_001, { crash: false, hypercalls: { share: 0.2 } }),
        strategy('cold', 24_600_000_000, { runs: [run(800_000, 1500)], pages: { reused: 1234 } }),
      ],
    };
    expect(text(a, b)).toBe(`A: a.json
B: b.json
stillwarm/reboot@1

Which inputs differ?
┌─────────────────┬─────────┬─────────┐
│                 │       A │       B │
├─────────────────┼─────────┼─────────┤
│ seed            │       1 │       2 │
│ memory          │ 1.00 GB │ 1.25 GB │
│ disk            │ profile │    nvme │
│ expire          │    null │      60 │
│ fitted[guest.a] │ guest.a │       — │
│ fitted[guest.c] │       — │ guest.c │
└─────────────────┴─────────┴─────────┘

Which figures differ?
┌──────────────────────┬───────────┬─────────┬─────────┬─────────┐
│                      │         A │       B │   B − A │  change │
├──────────────────────┼───────────┼─────────┼─────────┼─────────┤
│ strategies[prefetch] │ 3 figures │       — │         │         │
└──────────────────────┴───────────┴─────────┴─────────┴─────────┘

strategies[cold]
┌──────────────────────┬───────────┬─────────┬─────────┬─────────┐
│                      │         A │       B │   B − A │  change │
├──────────────────────┼───────────┼─────────┼─────────┼─────────┤
│ rebootNs             │    24.0 s │  24.6 s │ +600 ms │ +2.50 % │
│ runs[after, 1].ns    │    640 µs │  800 µs │ +160 µs │ +25.0 % │
│ pages.reused         │         0 │   1,234 │  +1,234 │       — │
└──────────────────────┴───────────┴─────────┴─────────┴─────────┘

strategies[warm-cache]
┌──────────────────────┬───────────┬─────────┬─────────┬─────────┐
│                      │         A │       B │   B − A │  change │
├──────────────────────┼───────────┼─────────┼─────────┼─────────┤
│ rebootNs             │   8.00 µs │ 7.00 µs │ −999 ns │ −12.5 % │
│ crash                │      true │   false │         │         │
│ hypercalls.share     │     0.250 │   0.200 │ −0.0500 │ −20.0 % │
└──────────────────────┴───────────┴─────────┴─────────┴─────────┘

different: 4 inputs and 6 figures; 4 only in A; 1 only in B; 5 inputs and 7 figures compared;
           digests 0123456789abcdef and fedcba9876543210
`);
  });

  it('the text of a comparison says in one line that nothing differs, and how much was compared', () => {
    const a = { ...REBOOT, seed: 1, files: 3, strategies: [strategy('cold', 1000, { metadataReads: 2 })] };
    const b = { ...a, strategies: [strategy('cold', 1010, { metadataReads: 2 })] };
    const head = 'A: a.json\nB: b.json\nstillwarm/reboot@1';
    expect(text(a, a)).toBe(`${head}\n\nsame: 2 inputs and 2 figures compared; digest 0123456789abcdef\n`);
    expect(text(a, b, { tolerance: 1 })).toBe(
      `${head}; differences of at most 1 % are not listed\n\n` +
        'same: 2 inputs and 2 figures compared, 1 of them within 1 %; digest 0123456789abcdef\n',
    );
    expect(text(a, b, { only: 'metadata' })).toBe(
      `${head}; only figures whose path contains "metadata"\n\n` +
        'same: 2 inputs and 1 figure compared; digest 0123456789abcdef\n',
    );
    const inspect = { schema: 'stillwarm/inspect@1', problemCount: 0 };
    expect(text(inspect, inspect)).toMatch(/\n\nsame: 0 inputs and 1 figure compared; no digest\n$/);
  });

  it('the text of a comparison counts the samples of a time line instead of listing them', () => {
    const line = (...bytes: number[]): PlainObject => ({
      ...REBOOT,
      strategies: [{ name: 'cold', timeline: bytes.map((each, n) => ({ startNs: n * 100, ns: 100, bytes: each })) }],
    });
    const printed = text(line(1, 2, 3, 4), line(1, 5, 7));
    expect(printed).toContain('\nstrategies[cold]\n');
    expect(printed).toContain('│ timeline │ 3 more │   │ 2 differ │        │\n');
    expect(printed).toMatch(/\ndifferent: 0 inputs and 2 figures; 3 only in A; 0 inputs and 9 figures compared;\n/);
    expect(text(line(1), line(1, 2, 3))).toContain('│ timeline │   │ 6 more │ 0 differ │        │\n');
  });

  it('the text of a comparison fits in 100 columns, and what it prints of the results is one line each', () => {
    const long = 'x'.repeat(500);
    const hostile = { ...REBOOT, [`\u001b[31m${long}`]: `\n\u202e${long}`, strategies: [{ name: `\n${long}`, a: 1 }] };
    const other = {
      ...REBOOT,
      [`\u001b[31m${long}`]: 1,
      strategies: [{ name: `\n${long}`, a: Number.MAX_SAFE_INTEGER }],
    };
    const printed = text(hostile, other).split('\n');
    expect(printed.filter((line) => /[\p{Cc}\p{Bidi_Control}]/u.test(line))).toEqual([]);
    const tables = printed.filter((line) => /^[┌├│└]/.test(line));
    expect(tables).toHaveLength(10);
    // Names that no result has make it no wider than this.
    for (const line of printed) expect(line.length).toBeLessThanOrEqual(124);
    expect(tables.at(-2)).toContain('9.01e+15');
    for (const [, , result] of RESULTS) {
      const changed = plain(
        JSON.parse(JSON.stringify(result), (key, value: unknown) =>
          typeof value === 'number' && !['number', 'vms', 'memory', 'domid'].includes(key) ? value * 3 + 1 : value,
        ),
      );
      const lines = text(result, changed).split('\n');
      expect(lines.length).toBeGreaterThan(10);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    }
  });
});
