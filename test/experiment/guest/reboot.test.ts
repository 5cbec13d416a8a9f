/**
 * The reboot experiment end to end, on a small tree: what each strategy must show. A run is a
 * function of its inputs, and the oracle notices a page that is wrong.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mfn } from '../../../src/base/index.ts';
import { UserError } from '../../../src/base/user-error.ts';
import { runReboot } from '../../../src/experiment/guest/reboot.ts';
import { STRATEGIES_OF_READERS, WORKLOADS, type RebootOptions } from '../../../src/experiment/guest/options.ts';
import { STRATEGIES } from '../../../src/experiment/host/strategies.ts';
import type { Testbed } from '../../../src/experiment/host/testbed.ts';
import { Provenance } from '../../../src/xen/index.ts';

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'stillwarm-reboot-'));
  for (let i = 0; i < 40; i++) {
    const place = join(directory, 'tree', `d${i % 7}`);
    mkdirSync(place, { recursive: true });
    const bytes = new Uint8Array(1 + ((i * 7919) % 90_000)).map((_, at) => (at * 31 + i) & 255);
    writeFileSync(join(place, `f${i}`), bytes);
  }
  mkdirSync(join(directory, 'empty'));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function options(over: Partial<RebootOptions> = {}): RebootOptions {
  return {
    path: join(directory, 'tree'),
    withoutBootFiles: true,
    memory: 32 << 20,
    disk: 'profile',
    profile: 'pentium4-2006',
    strategies: STRATEGIES_OF_READERS,
    workload: 'files',
    seed: 1,
    limit: undefined,
    crash: false,
    checksum: false,
    dumpMemory: undefined,
    ...over,
  };
}

/** The frames whose pages are named and clean at the moment between the guests. */
function keptFrames({ hypervisor }: Testbed): Mfn[] {
  const kept: Mfn[] = [];
  for (let n = 0; n < hypervisor.memory.frameCount; n++) {
    const mfn = Mfn(n);
    if (hypervisor.frames.provenanceOf(mfn) === Provenance.clean) kept.push(mfn);
  }
  return kept;
}

describe('runReboot', () => {
  it.each(WORKLOADS.filter((name) => name !== 'log'))(
    'runReboot shows for %s what each strategy keeps, all of it verified',
    (workload) => {
      const { result, mismatches } = runReboot(options({ workload }));
      expect(mismatches).toEqual([]);
      const [cold, prefetch, warm, metadata] = result.strategies;
      for (const strategy of result.strategies) {
        const [first, second, third, fourth] = strategy.runs;
        expect(strategy.runs).toHaveLength(4);
        expect(new Set(strategy.runs.map(({ bytes }) => bytes)).size).toBe(1);
        expect(strategy.verified.bytes).toBe(4 * first!.bytes);
        expect(strategy.verified.mismatches).toBe(0);
        expect(second!.ns).toBeLessThan(first!.ns);
        expect(fourth!.ns).toBeLessThanOrEqual(third!.ns);
        expect(strategy.verified.pages).toBe(strategy.pages.reused);
      }
      expect(cold!.pages.preserved + prefetch!.pages.preserved).toBe(0);
      expect(cold!.pages.readAgain).toBeGreaterThan(0);
      expect(warm!.pages.reused).toBe(warm!.pages.preserved);
      expect(warm!.pages.readAgain).toBe(warm!.metadataReads);
      expect(warm!.metadataReads).toBe(cold!.metadataReads);
      expect(metadata!.pages.readAgain).toBe(0);
      expect(metadata!.pages.reused).toBe(cold!.pages.readAgain);
      const firstAfter = result.strategies.map(({ runs }) => runs[2]!.ns);
      expect(firstAfter[2]).toBeLessThan(firstAfter[0]!);
      expect(firstAfter[3]).toBeLessThan(firstAfter[2]!);
    },
  );

  it('runReboot shows what each strategy keeps of a log that was never synced when the guest crashes', () => {
    const asked = options({ workload: 'log', crash: true, strategies: STRATEGIES });
    const { result, mismatches } = runReboot(asked);
    expect(mismatches).toEqual([]);
    const of = Object.fromEntries(result.strategies.map((strategy) => [strategy.name, strategy]));
    for (const { name, writes, verified, runs } of result.strategies) {
      const isRio = name.startsWith('rio');
      expect(writes.bytes).toBeGreaterThan(40 * 2 * 10);
      expect(writes.dirtyPages).toBeGreaterThan(1);
      expect(writes.bytesLost).toBe(isRio ? 0 : writes.bytes);
      expect(writes.pagesWrittenBack).toBe(isRio ? writes.dirtyPages : 0);
      expect(writes.pagesLost).toBe(isRio ? 0 : writes.dirtyPages);
      expect(verified.bytes).toBe(4 * runs[0]!.bytes);
    }
    expect(of['rio']!.pages.preserved).toBe(0);
    // More than the warm cache alone: what was dirty is clean, too.
    expect(of['rio+warm-cache']!.pages.reused).toBeGreaterThan(of['warm-cache']!.pages.reused);
    // What it costs: registrations, and windows for stores.
    expect(of['rio']!.runs[1]!.ns).toBeGreaterThan(of['cold']!.runs[1]!.ns);
    expect(of['rio']!.rebootNs).toBeGreaterThan(of['cold']!.rebootNs);
  });

  it('runReboot loses nothing of the log in an orderly reboot', () => {
    const { result, mismatches } = runReboot(options({ workload: 'log' }));
    expect(mismatches).toEqual([]);
    for (const { writes } of result.strategies) expect(writes).toMatchObject({ bytesLost: 0, pagesLost: 0 });
  });

  it('runReboot keeps the cache over a crash, less the names that were not told yet', () => {
    const [warm] = runReboot(options({ strategies: ['warm-cache'], crash: true })).result.strategies;
    expect(warm!.verified.mismatches).toBe(0);
    expect(warm!.pages.reused).toBeGreaterThan(0);
    const untold = warm!.pages.readAgain - warm!.metadataReads;
    expect(untold).toBeGreaterThanOrEqual(0);
    expect(untold).toBeLessThan(14);
  });

  it('runReboot gives unclaimed pages back after the time that is asked for, and then reads them again', () => {
    const pages = (expire: number): { preserved: number; reused: number; released: number } => {
      const { result } = runReboot(options({ strategies: ['warm-cache'], expire }));
      expect(result.expire).toBe(expire);
      const { preserved, reused, refused } = result.strategies[0]!.pages;
      return { preserved, reused, released: refused.released };
    };
    const late = pages(3600);
    expect(late.preserved).toBeGreaterThan(100);
    expect(late).toMatchObject({ reused: late.preserved, released: 0 });
    // The boot alone takes longer.
    expect(pages(1)).toEqual({ preserved: late.preserved, reused: 0, released: late.preserved });
  });

  it('runReboot says that the order of the lists was told, was not, or is damaged', () => {
    const recency = (over: Partial<RebootOptions>, damage?: (testbed: Testbed) => void): string =>
      runReboot(options({ strategies: ['warm-cache'], ...over }), undefined, damage).result.strategies[0]!.pages
        .recency;
    expect(recency({})).toBe('told');
    expect(recency({ crash: true })).toBe('untold');
    const flip = (testbed: Testbed): void => {
      const { recency: table } = testbed.hypervisor;
      const [mfn] = keptFrames(testbed);
      table.set(mfn!, table.get(mfn!) ^ 1);
    };
    expect(recency({}, flip)).toBe('damaged');
  });

  it('runReboot is a function of its inputs: one digest for one seed, another for another', () => {
    const digest = (seed: number): string => runReboot(options({ seed, workload: 'random' })).result.digest;
    expect(digest(5)).toBe(digest(5));
    expect(digest(5)).not.toBe(digest(6));
  });

  it('runReboot reads no more than the limit', () => {
    const { result } = runReboot(options({ limit: 100_000, strategies: ['warm-cache'] }));
    expect(result.strategies[0]!.runs.map(({ bytes }) => bytes)).toEqual([100_000, 100_000, 100_000, 100_000]);
  });

  it('runReboot works when memory is too small for the files', () => {
    const { result, mismatches } = runReboot(options({ memory: 10 << 20, strategies: ['warm-cache+metadata'] }));
    expect(mismatches).toEqual([]);
    expect(result.strategies[0]!.pages.preserved).toBeGreaterThan(0);
  });

  it('runReboot with checksums refuses a preserved page of which a byte changed', () => {
    const asked = options({ strategies: ['warm-cache'], checksum: true });
    const { result, mismatches } = runReboot(asked, undefined, (testbed) => {
      const { memory } = testbed.hypervisor;
      const struck = keptFrames(testbed)[10]!;
      memory.writeU8(struck, 100, memory.readU8(struck, 100) ^ 1);
    });
    expect(mismatches).toEqual([]);
    expect(result.checksum).toBe(true);
    expect(result.strategies[0]!.pages.refused.checksum).toBe(1);
  });

  it('runReboot notices a byte that changed in a preserved page, and tells the whole history of the page', () => {
    let struck = Mfn(0);
    const { result, mismatches } = runReboot(options({ strategies: ['warm-cache'] }), undefined, (testbed) => {
      struck = keptFrames(testbed)[10]!;
      const { memory } = testbed.hypervisor;
      memory.writeU8(struck, 100, memory.readU8(struck, 100) ^ 1);
    });
    expect(result.strategies[0]!.verified.mismatches).toBeGreaterThan(0);
    const [reused] = mismatches;
    expect(reused!.what).toMatch(/was reused, but differs from block \d+ at byte 100$/);
    const history = reused!.history
      .filter((line) => line.includes(`frame ${struck} `))
      .map((line) => line.split('  ')[2]!);
    expect(history.some((line) => line.startsWith('assigned to domain'))).toBe(true);
    const kinds = history.map((line) => line.split(':')[0]!.split(' ')[0]);
    const order = ['reading', 'clean', 'named', 'preserved', 'claimed'].map((kind) => kinds.indexOf(kind));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['a path that is not there', { path: '/nowhere/at/all' }, /nowhere.*no such file/],
    ['a directory without a byte to read', { path: 'empty' }, /nothing to read/],
    ['a file that is no image', { path: join('tree', 'd0', 'f7') }, /d0.*ext2/],
    ['memory that the kernel does not fit in', { memory: 4 << 20 }, /memory/],
  ])('runReboot refuses %s in one line', (_, over, message) => {
    const path = 'path' in over && !over.path.startsWith('/') ? join(directory, over.path) : options(over).path;
    const attempt = (): unknown => runReboot(options({ ...over, path }));
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
    expect(attempt).not.toThrow(/\n/);
  });
});
