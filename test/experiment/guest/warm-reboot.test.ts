// The whole system: guests on the hypervisor, over reboots and crashes at any event. Every byte
// read is the disk's, every page reused equals its block (warm-machine.ts checks both as it goes).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { property } from '../../support/property.ts';
import { type Life, play, type Program, scenarios } from '../vmm/warm-machine.ts';

describe('reboots', () => {
  property(
    'what survives reads, reboots and crashes is what is on the disk, and nothing else survives',
    scenarios,
    (scenario) => {
      const { lives } = play(scenario);
      lives.forEach((life, i) => {
        expect(life.reused).toBeLessThanOrEqual(life.preserved);
        const before = lives[i - 1];
        if (before === undefined) expect(life.preserved).toBe(0);
        else {
          const shrank = scenario.lives[i]!.memoryMiB < scenario.lives[i - 1]!.memoryMiB;
          // Between the crash and the end of the domain reads complete, so more may be clean than
          // was at the crash.
          if (shrank || scenario.lives[i - 1]!.crashAfter !== undefined) return;
          expect(life.preserved).toBe(before.reusable);
        }
      });
    },
    { numRuns: 7, lawRuns: 60 },
  );

  property(
    'two runs of reboots with one seed have one digest',
    scenarios,
    fc.integer(),
    (scenario, seed) => expect(play(scenario, seed)).toEqual(play(scenario, seed)),
    { numRuns: 3, lawRuns: 8 },
  );
});

describe('an orderly reboot of a guest whose files fit into memory', () => {
  const everything: Program = [
    ...[0, 1, 2, 3].map((file) => ({ do: 'whole' as const, file, chunk: 65536 })),
    { do: 'list' },
    { do: 'readlink' },
  ];
  const life = (cachemap: Life['cachemap'], crashAfter?: number): Life => ({
    programs: [everything],
    crashAfter,
    cachemap,
    memoryMiB: 24,
  });
  // 12 + 300 + 1200 + 1 pages: direct, indirect, double indirect.
  const files = [12, 300, 1200].map((pages) => ({ bytes: pages * 4096, sparse: false }));
  const tree = [[...files, { bytes: 5, sparse: false }]];
  const reboots = (...lives: Life[]): ReturnType<typeof play>['lives'] =>
    play({ tree, drive: 'nvme', failOneIn: 0, lives }).lives;

  it('an orderly reboot of a guest whose files fit into memory reads nothing from the disk again, three times over', () => {
    const [cold, ...warm] = reboots(life('all'), life('all'), life('all'), life('all'));
    expect(cold).toMatchObject({ preserved: 0, reused: 0, dataPagesRead: 1513 });
    for (const { preserved, reused, dataPagesRead, metadataPagesRead } of warm) {
      expect([dataPagesRead, metadataPagesRead]).toEqual([0, 0]);
      expect(preserved).toBe(1513 + cold!.metadataPagesRead);
      expect(reused).toBe(preserved);
    }
  });

  it('an orderly reboot of a guest whose files fit into memory reads metadata again when only files are named', () => {
    const [cold, warm] = reboots(life('files'), life('files'));
    expect(warm).toMatchObject({ preserved: 1513, reused: 1513, dataPagesRead: 0 });
    expect(warm!.metadataPagesRead).toBe(cold!.metadataPagesRead);
  });

  it('an orderly reboot of a guest whose files fit into memory reads everything again when nothing is named', () => {
    const [cold, warm] = reboots(life('off'), life('off'));
    expect(warm).toMatchObject({ preserved: 0, reused: 0, dataPagesRead: 1513 });
    expect(warm!.metadataPagesRead).toBe(cold!.metadataPagesRead);
  });

  it('an orderly reboot of a guest whose files fit into memory survives a crash but for the names that waited in the batch and the pages in flight', () => {
    const [, warm] = reboots(life('all', 100_000), life('all'));
    expect(warm!.preserved).toBeGreaterThan(1513 - 14);
    expect(warm!.reused).toBe(warm!.preserved);
  });
});
