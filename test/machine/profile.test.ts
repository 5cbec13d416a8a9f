import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  constantsOf,
  driveTable,
  fittedConstants,
  profileTable,
  values,
  type Constant,
} from '../../src/machine/profile.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../../src/machine/profiles/drives-1998.ts';
import { PENTIUM4_2006 } from '../../src/machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';

const PROFILES = [PENTIUM4_2006, SERVER_2026];
const DRIVES = [BARRACUDA_4LP, CHEETAH_9LP];
const PAGE = new URL('../../docs/reference/profiles.md', import.meta.url);

const UNIT_OF_SUFFIX: readonly (readonly [RegExp, string])[] = [
  [/NsPerByte$/, 'ns/B'],
  [/Ns$/, 'ns'],
  [/Bytes$/, 'B'],
  [/MBps$/, 'MB/s'],
  [/(^|\.)rpm$/, '1/min'],
];

const page = [
  '# Cost profiles',
  'Every cost of the model, with its unit and where it comes from. *Fitted* constants were chosen so that the model meets a ' +
    'figure of the paper. A result that rests on them is no evidence for that figure. A *range* says where the true value of ' +
    'what was assumed or fitted most likely lies, or how far measurements differ. How the constants make up times: ' +
    '[timing](../explanation/timing.md).',
  'This page is generated from `src/machine/profiles/`: `UPDATE_DOCS=1 npx vitest run test/machine/profile.test.ts`.',
  ...PROFILES.map(profileTable),
  '## Drives that were measured',
  'The model of a rotating drive is held against logs of these two (`npm run bench -- drives`). No constant and no table is fitted to the logs.',
  ...DRIVES.map(driveTable),
  '',
]
  .join('\n\n')
  .replace(/\n+$/, '\n');

function checkConstants(constants: [string, Constant][]): void {
  for (const [name, { value, unit, note }] of constants) {
    const suffix = UNIT_OF_SUFFIX.find(([pattern]) => pattern.test(name));
    expect([name, unit]).toEqual([name, suffix?.[1] ?? '']);
    expect(Number.isFinite(value) && value >= 0, name).toBe(true);
    expect(note.length > 3 && !/[|\n]/.test(note), name).toBe(true);
  }
}

/** The least and the most are values that the constant could have. */
function checkRanges(constants: [string, Constant][]): void {
  for (const [name, { value, unit, provenance, fitted, range }] of constants) {
    if (provenance === 'assumed' || fitted) expect(range, name).toBeDefined();
    const [low, high] = range ?? [value, value];
    expect(low <= value && value <= high, name).toBe(true);
    if (range === undefined) continue;
    expect(low < high && low >= 0, name).toBe(true);
    if (unit !== 'ns/B' && unit !== 'MB/s') expect(range.every(Number.isInteger), name).toBe(true);
  }
}

it.each(DRIVES)(
  'the profile $model gives every constant a value, the unit its name ends in and a note',
  ({ constants }) => {
    checkConstants(Object.entries(constants));
    checkRanges(Object.entries(constants));
  },
);

describe.each(PROFILES)('$name', (profile) => {
  it('the profile gives every constant a value, the unit its name ends in and a note', () => {
    checkConstants([...constantsOf(profile)]);
  });

  it('the profile gives every constant that was assumed or fitted a range that its value lies in', () => {
    checkRanges([...constantsOf(profile)]);
  });

  it('the profile hands out plain numbers under the same names', () => {
    const numbers = values(profile.guest);
    expect(Object.keys(numbers)).toEqual(Object.keys(profile.guest));
    expect(numbers.syscallNs).toBe(profile.guest.syscallNs.value);
  });
});

describe('pentium4-2006 against the paper', () => {
  const guest = values(PENTIUM4_2006.guest);

  it('pentium4-2006 against the paper reads a cached page in 3.0 to 3.5 µs', () => {
    const read = guest.syscallNs + guest.pageLookupNs + 4096 * guest.copyNsPerByte;
    expect(read).toBeGreaterThan(3000);
    expect(read).toBeLessThan(3500);
  });

  it('pentium4-2006 against the paper names what was fitted', () => {
    expect(fittedConstants(PENTIUM4_2006)).toEqual([
      'guest.copyNsPerByte',
      'guest.suspendNs',
      'hypervisor.domain0ShutdownNs',
      'hypervisor.domain0BootNs',
    ]);
    expect(fittedConstants(SERVER_2026)).toEqual([]);
  });
});

describe('docs/reference/profiles.md', () => {
  it('the page docs/reference/profiles.md is what the profiles say', () => {
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, 'utf8')).toBe(page);
  });
});
