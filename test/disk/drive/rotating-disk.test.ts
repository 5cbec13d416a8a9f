import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { RotatingDisk } from '../../../src/disk/drive/rotating-disk.ts';
import type { BufferRules } from '../../../src/machine/drive-tables.ts';
import { values, type RotatingDiskConstant, type Values } from '../../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { RandomStream } from '../../../src/sim/random.ts';
import { property } from '../../support/property.ts';

const REVOLUTION_NS = 60e9 / 7200;
const SECTORS = 312_500_000;

/** The disk of the profile, whose overheads differ from each other. */
function data(): Values<RotatingDiskConstant> {
  const { disk } = PENTIUM4_2006;
  if (disk.kind !== 'disk') throw new Error('the profile of 2006 has a rotating disk');
  return { ...values(disk.constants), readHitNs: 110_000, readMissNs: 230_000, writeNs: 370_000 };
}

/** MB/s of a sequential stream of requests with a pause after each. */
function streamRate(op: 'read' | 'write', first: number, sectors: number, pauseNs: number): number {
  const disk = new RotatingDisk(data());
  const requests = Math.ceil((64 << 20) / (sectors * 512));
  let now = 1_000_000_000;
  let start = 0;
  for (let i = 0; i <= requests; i++) {
    now += disk[op](first + i * sectors, sectors, Ns(now));
    if (i === 0) start = now;
    now += pauseNs;
  }
  return (requests * sectors * 512) / ((now - start) / 1000);
}

const within = (value: number, expected: number, share: number) => {
  expect(value).toBeGreaterThan(expected * (1 - share));
  expect(value).toBeLessThan(expected * (1 + share));
};

describe('sequential', () => {
  it('sequential reads the outer edge at the sustained rate of the data sheet', () => {
    within(streamRate('read', 0, 256, 0), data().outerMBps, 0.02);
  });

  it('sequential reads the inner edge at its sustained rate', () => {
    within(streamRate('read', SECTORS - 200_000, 256, 0), data().innerMBps, 0.02);
  });

  it('sequential keeps the rate when the host pauses for less than it gains on the bus', () => {
    within(streamRate('read', 0, 256, 500_000), data().outerMBps, 0.02);
    within(streamRate('read', 0, 88, 50_000), data().outerMBps, 0.02);
  });

  it('sequential loses revolutions, without read-ahead, when the host pauses', () => {
    const disk = new RotatingDisk({ ...data(), readAheadBytes: 0 });
    let now = 0;
    for (let i = 0; i < 100; i++) now += disk.read(i * 88, 88, Ns(now));
    const perRequest = now / 100;
    within(perRequest, REVOLUTION_NS, 0.2);
  });

  it('sequential writes from the cache to the medium at the sustained rate', () => {
    within(streamRate('write', 0, 256, 0), data().outerMBps, 0.02);
  });
});

describe('random', () => {
  it('random costs command, average seek and half a revolution over the whole drive', () => {
    const disk = new RotatingDisk(data());
    const random = new RandomStream(1);
    let now = 0;
    for (let i = 0; i < 10_000; i++) now += disk.read(random.below(SECTORS - 8), 8, Ns(now));
    const { readMissNs, averageSeekNs } = data();
    within(now / 10_000, readMissNs + averageSeekNs + REVOLUTION_NS / 2, 0.02);
  });

  it('random costs less inside an image of 1 GiB at the outer edge, because the arm moves less', () => {
    const disk = new RotatingDisk(data());
    const random = new RandomStream(1);
    let now = 0;
    for (let i = 0; i < 5000; i++) now += disk.read(random.below(2_097_144), 8, Ns(now));
    const { readMissNs, trackToTrackNs } = data();
    expect(now / 5000).toBeGreaterThan(readMissNs + trackToTrackNs + REVOLUTION_NS / 2);
    expect(now / 5000).toBeLessThan(7e6);
  });

  it('random repeats a sector after exactly one revolution when nothing holds it', () => {
    const disk = new RotatingDisk(data());
    const first = disk.write(1000, 8, Ns(0));
    const again = disk.write(1000, 8, Ns(first));
    expect(again).toBeGreaterThan(REVOLUTION_NS - 1001);
    expect(again).toBeLessThan(REVOLUTION_NS + 1001);
  });
});

describe('seek', () => {
  /** Smallest time of a write there, over all angles: the seek, and the passing of one sector. */
  function seekNs(from: number, to: number): number {
    let least = Infinity;
    for (let angle = 0; angle < 400; angle++) {
      const disk = new RotatingDisk(data());
      const there = disk.write(from, 1, Ns(0));
      const now = there + Math.round((angle * REVOLUTION_NS) / 400);
      least = Math.min(least, disk.write(to, 1, Ns(now)));
    }
    return least;
  }

  it('seek crosses all cylinders in the full-stroke time', () => {
    within(seekNs(0, SECTORS - 1), data().fullStrokeNs, 0.01);
  });

  it('seek takes the track-to-track time, or the head switch if that is longer, to the next cylinder', () => {
    // A track of the outermost zone has about 1150 sectors.
    const { heads, trackToTrackNs, headSwitchNs } = data();
    within(seekNs(0, 1200 * heads), Math.max(trackToTrackNs, headSwitchNs), 0.05);
  });
});

describe('laws', () => {
  const request = fc.record({
    op: fc.constantFrom('read', 'write'),
    sector: fc.oneof(fc.nat(SECTORS - 512), fc.nat(100_000)),
    sectors: fc.integer({ min: 1, max: 256 }),
    pause: fc.oneof(fc.constant(0), fc.nat(30_000_000)),
  });

  property(
    'a disk answers in whole nanoseconds, never less than the bus nor more than seek, revolutions and command allow, and repeatably',
    fc.array(request, { maxLength: 60 }),
    (requests) => {
      const disks = [new RotatingDisk(data()), new RotatingDisk(data())] as const;
      const { readHitNs, readMissNs, fullStrokeNs, headSwitchNs, busMBps } = data();
      let now = 0;
      for (const { op, sector, sectors, pause } of requests) {
        now += pause;
        const [time, again] = disks.map((disk) => disk[op](sector, sectors, Ns(now))) as [Ns, Ns];
        expect(again).toBe(time);
        expect(Number.isSafeInteger(time)).toBe(true);
        const least = op === 'read' ? readHitNs + (sectors * 512_000) / busMBps : (sectors * REVOLUTION_NS) / 2000;
        expect(time).toBeGreaterThanOrEqual(Math.floor(least));
        const most = readMissNs + fullStrokeNs + 3 * REVOLUTION_NS + 2 * headSwitchNs;
        expect(time).toBeLessThan(most);
        now += time;
      }
    },
  );

  property(
    'a disk answers a read again, at once, from its buffer',
    fc.nat(SECTORS - 512),
    fc.nat(255),
    (sector, more) => {
      const disk = new RotatingDisk(data());
      const now = disk.read(sector, more + 1, Ns(0));
      const { readHitNs, busMBps } = data();
      expect(disk.read(sector, more + 1, now)).toBe(Math.ceil(readHitNs + ((more + 1) * 512_000) / busMBps));
    },
  );

  it('a command that does not wait for the medium costs its overhead and the bus', () => {
    const disk = new RotatingDisk(data());
    const { readHitNs, writeNs, busMBps } = data();
    const busNs = (8 * 512_000) / busMBps;
    expect(disk.transfer('read', 8, Ns(0))).toBe(Math.ceil(readHitNs + busNs));
    expect(disk.transfer('write', 8, Ns(0))).toBe(Math.ceil(writeNs + busNs));
    expect(disk.transfer('flush', 0, Ns(0))).toBe(writeNs);
  });

  property('the buffer of a disk keeps as many streams as it has segments', fc.nat(SECTORS - 512), (sector) => {
    const disk = new RotatingDisk(data());
    const { readSegments, readHitNs, busMBps } = data();
    const place = (i: number) => (sector + i * 10_000_000) % (SECTORS - 512);
    let now = 0;
    for (let i = 0; i < readSegments; i++) now += disk.read(place(i), 8, Ns(now));
    for (let i = 0; i < readSegments; i++) {
      const time = disk.read(place(i), 8, Ns(now));
      expect(time).toBe(Math.ceil(readHitNs + 4096_000 / busMBps));
      now += time;
    }
  });
});

describe('tables', () => {
  const BUFFER: BufferRules = { busFollowsHead: false, hitsResume: true, requested: 'stay', keepsOverwritten: true };
  const BUS_NS = 512_000 / data().busMBps;
  const withBuffer = (rules: Partial<BufferRules>): RotatingDisk =>
    new RotatingDisk(data(), { buffer: { ...BUFFER, ...rules } });
  const hitNs = (sectors: number): number => Math.ceil(data().readHitNs + sectors * BUS_NS);
  /** Sectors of one segment. */
  const SEGMENT = data().readAheadBytes / 512;

  it('a disk with the rules of a plain buffer takes the times of a disk without tables', () => {
    const [plain, other] = [new RotatingDisk(data()), withBuffer({})];
    let now = 0;
    for (const [at, sector] of [0, 8, 100_000, 0, 8, 16, 300_000_000].entries()) {
      const op = at % 3 === 2 ? 'write' : 'read';
      const ns = plain[op](sector, 8, Ns(now));
      expect(other[op](sector, 8, Ns(now))).toBe(ns);
      now += ns;
    }
  });

  it('the bus of a disk takes the last sector when it has been read, if it follows the head', () => {
    const [plain, other] = [new RotatingDisk(data()), withBuffer({ busFollowsHead: true })];
    const sooner = plain.read(1000, 1, Ns(0));
    expect(Math.abs(other.read(1000, 1, Ns(0)) - sooner - BUS_NS)).toBeLessThanOrEqual(1);
    // A slow bus takes all sectors after the first has been read.
    const slow = { ...data(), busMBps: 2 };
    const slowly = new RotatingDisk(slow, { buffer: { ...BUFFER, busFollowsHead: true } });
    const first = new RotatingDisk(slow).write(1000, 1, Ns(data().readMissNs));
    expect(Math.abs(slowly.read(1000, 8, Ns(0)) - data().readMissNs - first - 8 * 256_000)).toBeLessThanOrEqual(2);
  });

  it('a disk answers a sector again at once, until read-ahead replaces it or where it stays', () => {
    for (const [requested, isHeldAtOnce, isHeldLater] of [
      ['stay', true, true],
      ['replace', true, false],
      ['drop', false, false],
    ] as const) {
      const atOnce = withBuffer({ requested });
      const now = atOnce.read(0, 8, Ns(0));
      expect(atOnce.read(0, 8, now) === hitNs(8), requested).toBe(isHeldAtOnce);
      const later = withBuffer({ requested });
      later.read(0, 8, Ns(0));
      expect(later.read(0, 8, Ns(1e9)) === hitNs(8), requested).toBe(isHeldLater);
    }
  });

  it('a disk reads ahead after a hit only if hits resume', () => {
    for (const hitsResume of [true, false]) {
      const disk = withBuffer({ hitsResume });
      disk.read(0, 8, Ns(0));
      expect(disk.read(8, 100, Ns(1e9))).toBe(hitNs(100));
      expect(disk.read(SEGMENT + 50, 8, Ns(2e9)) === hitNs(8)).toBe(hitsResume);
    }
  });

  it('a disk reads what was overwritten from the medium, and what lies before it from the buffer', () => {
    for (const keepsOverwritten of [true, false]) {
      const disk = withBuffer({ keepsOverwritten });
      disk.read(0, 8, Ns(0));
      disk.write(100, 8, Ns(1e9));
      expect(disk.read(92, 8, Ns(2e9))).toBe(hitNs(8));
      expect(disk.read(100, 8, Ns(2.1e9)) === hitNs(8)).toBe(keepsOverwritten);
    }
  });

  it('an overhead depends on whether the command before was a read', () => {
    const of = (afterRead: number, afterWrite: number) => ({ afterRead, afterWrite });
    const disk = new RotatingDisk(data(), {
      overheads: { readHit: of(1000, 2000), readMiss: of(3000, 4000), write: of(5000, 6000) },
    });
    expect(disk.transfer('write', 0, Ns(0))).toBe(5000);
    expect(disk.transfer('flush', 0, Ns(0))).toBe(6000);
    expect(disk.transfer('read', 0, Ns(0))).toBe(2000);
    expect(disk.transfer('read', 0, Ns(0))).toBe(1000);
    // A read from the medium begins later by its overhead.
    const wait = (before: 'read' | 'write') => {
      const other = new RotatingDisk(data(), {
        overheads: { readHit: of(0, 0), readMiss: of(3000, 4000), write: of(0, 0) },
      });
      other.transfer(before, 0, Ns(0));
      const medium = new RotatingDisk(data());
      const overhead = before === 'read' ? 3000 : 4000;
      return other.read(1000, 8, Ns(0)) - medium.write(1000, 8, Ns(overhead)) - overhead;
    };
    expect(Math.abs(wait('read'))).toBeLessThanOrEqual(1);
    expect(Math.abs(wait('write'))).toBeLessThanOrEqual(1);
  });

  it('a switch to another head takes the time of the table, and then the wait for the sector', () => {
    const zones = [{ cylinders: [0, 9] as const, sectorsPerTrack: 100, trackSkew: 30, cylinderSkew: 40, spares: 0 }];
    const seeks = [
      [1, 1e6],
      [9, 2e6],
    ] as const;
    const sectorNs = REVOLUTION_NS / 100;
    // The last sector of a track, then the first of the next: 30 sectors later.
    const passNs = (headSwitchNs: number): number => {
      const disk = new RotatingDisk(data(), { zones, seeks, headSwitchNs });
      const now = disk.write(99, 1, Ns(0));
      return disk.write(100, 1, now);
    };
    expect(passNs(0.1e6) / sectorNs).toBeCloseTo(31, 2);
    expect(passNs(2.4e6) / sectorNs).toBeCloseTo(31, 2);
    // A switch that takes longer than the skew loses a revolution.
    expect(passNs(2.6e6) / sectorNs).toBeCloseTo(131, 2);
  });

  it('a seek takes the time of the table', () => {
    const zones = [{ cylinders: [0, 9] as const, sectorsPerTrack: 100, trackSkew: 0, cylinderSkew: 0, spares: 0 }];
    const seeks = [
      [1, 1e6],
      [9, 5e6],
    ] as const;
    const { heads } = data();
    const disk = new RotatingDisk(data(), { zones, seeks });
    const sectorNs = REVOLUTION_NS / 100;
    const now = disk.write(0, 1, Ns(0));
    // 3 cylinders take 2 ms: 24 sectors pass, and sector 25 after the one that was written.
    expect(disk.write(3 * heads * 100 + 25, 1, now) / sectorNs).toBeCloseTo(25, 2);
    const again = new RotatingDisk(data(), { zones, seeks });
    expect(again.write(3 * heads * 100 + 24, 1, again.write(0, 1, Ns(0))) / sectorNs).toBeCloseTo(124, 2);
  });
});
