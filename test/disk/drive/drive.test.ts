import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, Ns, PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../../src/base/units.ts';
import { type Extent, Medium } from '../../../src/disk/image/backing-store.ts';
import type { BlockDevice, BlockOp, BlockRequest, Segment } from '../../../src/disk/drive/block-device.ts';
import { Drive, type DriveOptions } from '../../../src/disk/drive/drive.ts';
import type { ImageStore } from '../../../src/disk/image/image-store.ts';
import { InstantDisk } from '../../../src/disk/drive/instant.ts';
import { makeServiceTime } from '../../../src/disk/drive/make-service-time.ts';
import type { ServiceTimeModel } from '../../../src/disk/drive/service-time.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { RandomStream } from '../../../src/sim/random.ts';
import { Simulation } from '../../../src/sim/simulation.ts';
import { property } from '../../support/property.ts';

/** Sectors of the device under test: not whole granules, so that its end is odd. */
const SECTORS = 8 * 40 + 3;

class PlainImage implements ImageStore {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly #medium: Medium;

  constructor(sectors: number) {
    this.size = sectors * SECTOR_SIZE;
    this.bytes = new Uint8Array(this.size);
    this.#medium = new Medium(this.size);
  }

  get extents(): readonly Extent[] {
    return this.#medium.extents;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) throw new Error('read leaves the image');
    dst.set(this.bytes.subarray(offset, offset + length), dstOffset);
  }

  write(offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) throw new Error('write leaves the image');
    this.bytes.set(src.subarray(srcOffset, srcOffset + length), offset);
  }

  /** The stamp of a sector; all its words must be the same. */
  stamp(sector: number): number {
    return stampOf(this.bytes.subarray(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE));
  }
}

function stampOf(sector: Uint8Array): number {
  const view = new DataView(sector.buffer, sector.byteOffset, SECTOR_SIZE);
  const stamp = view.getUint32(0, true);
  for (let at = 4; at < SECTOR_SIZE; at += 4) if (view.getUint32(at, true) !== stamp) return -1;
  return stamp;
}

/** Serves several at once, in times that have no order. */
class UnrulyDisk implements ServiceTimeModel {
  readonly channels: number;
  readonly #random: RandomStream;

  constructor(channels: number, seed: number) {
    this.channels = channels;
    this.#random = new RandomStream(seed);
  }

  read(): Ns {
    return Ns(this.#random.below(1000));
  }

  write(): Ns {
    return Ns(this.#random.below(1000));
  }

  transfer(): Ns {
    return Ns(this.#random.below(100));
  }
}

const models: Record<string, (seed: number) => ServiceTimeModel> = {
  rotating: () => makeServiceTime(PENTIUM4_2006.disk, 'disk'),
  nvme: () => makeServiceTime(PENTIUM4_2006.disk, 'nvme'),
  instant: () => new InstantDisk(),
  unruly: (seed) => new UnrulyDisk(4, seed),
};

/**
 * A scatter list of `sectors` sectors over frames from `first` on, in pieces that begin anywhere in
 * a frame.
 */
function scatter(first: number, sectors: number, lead: number): Segment[] {
  const segments: Segment[] = [];
  let offset = lead * SECTOR_SIZE;
  for (let mfn = first, left = sectors * SECTOR_SIZE; left > 0; mfn++) {
    const length = Math.min(left, PAGE_SIZE - offset);
    segments.push({ mfn: Mfn(mfn), offset, length });
    left -= length;
    offset = 0;
  }
  return segments;
}

function sectorsOf(segments: readonly Segment[]): { mfn: Mfn; offset: number }[] {
  return segments.flatMap(({ mfn, offset, length }) =>
    Array.from({ length: length / SECTOR_SIZE }, (_, i) => ({ mfn, offset: offset + i * SECTOR_SIZE })),
  );
}

const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('read' as const, 'write' as const, 'write' as const),
      sector: fc.oneof(fc.nat(SECTORS - 1), fc.nat(20)),
      sectors: fc.integer({ min: 1, max: 40 }),
      lead: fc.nat(7),
      fails: fc.integer({ min: 0, max: 15 }).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('step' as const), events: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('powerLoss' as const) }) },
);

/**
 * A drive next to its specification: a value per sector, and the values that power loss may leave
 * there.
 */
class Bench {
  readonly simulation: Simulation;
  readonly memory = new MachineMemory(1024 * PAGE_SIZE);
  readonly image = new PlainImage(SECTORS);
  readonly drive: Drive;
  readonly #failing = new Set<BlockRequest>();
  readonly #writesThrough: boolean;
  /** Last completed write. */
  #value = new Uint32Array(SECTORS);
  /** What the medium may hold: the last flushed value and all completed later. */
  #possible = Array.from({ length: SECTORS }, () => new Set([0]));
  /** Stamps of writes that have not completed. */
  #outstanding = new Map<number, { sector: number; sectors: number }>();
  readonly #completions: number[] = [];
  #expected: number[] = [];
  #nextFrame = 0;

  constructor(model: ServiceTimeModel, seed: number, options: Omit<DriveOptions, 'model' | 'faults'>) {
    this.simulation = new Simulation(seed);
    this.#writesThrough = options.writeCacheBytes < PAGE_SIZE;
    this.drive = new Drive(this.simulation, this.memory, this.image, {
      ...options,
      model,
      faults: (request) => (this.#failing.has(request) ? 'EIO' : undefined),
    });
  }

  submit(op: BlockOp, sector: number, wanted: number, lead: number, fails: boolean): void {
    const sectors = op === 'flush' ? 0 : Math.min(wanted, SECTORS - sector);
    const segments = op === 'flush' ? [] : scatter(this.#nextFrame, sectors, lead);
    // No two requests in flight share a frame: 6 frames each, more than any run submits.
    this.#nextFrame = (this.#nextFrame + 6) % 1018;
    const id = this.#completions.length;
    const stamp = id + 1;
    this.#completions.push(0);
    this.#expected.push(1);
    if (op === 'write') {
      for (const { mfn, offset } of sectorsOf(segments))
        for (let at = 0; at < SECTOR_SIZE; at += 4) this.memory.writeU32(mfn, offset + at, stamp);
      this.#outstanding.set(stamp, { sector, sectors });
    }
    let submitting = true;
    const request: BlockRequest = {
      op,
      sector,
      segments,
      done: (error) => {
        expect(submitting).toBe(false);
        expect(error).toBe(fails ? 'EIO' : undefined);
        this.#completions[id]!++;
        this.#outstanding.delete(stamp);
        if (fails) return;
        if (op === 'flush') this.#checkFlush();
        else if (op === 'read') this.#checkRead(sector, segments);
        else this.#noteWrite(sector, sectors, stamp);
      },
    };
    if (fails) this.#failing.add(request);
    this.drive.submit(request);
    submitting = false;
  }

  powerLoss(): void {
    this.drive.powerLoss();
    for (let sector = 0; sector < SECTORS; sector++) {
      const found = this.image.stamp(sector);
      const legal =
        this.#possible[sector]!.has(found) ||
        [...this.#outstanding].some(
          ([stamp, place]) => stamp === found && place.sector <= sector && sector < place.sector + place.sectors,
        );
      if (!legal) throw new Error(`sector ${sector} holds ${found} after power loss`);
      this.#value[sector] = found;
      this.#possible[sector] = new Set([found]);
    }
    this.#outstanding.clear();
    this.#expected = this.#completions.slice();
    expect(this.drive.isIdle).toBe(true);
  }

  /** Lets everything happen that will. */
  settle(): void {
    this.simulation.run();
    expect(this.drive.isIdle).toBe(true);
    expect(this.drive.hasUnflushedWrites).toBe(false);
    expect(this.#completions).toEqual(this.#expected);
    this.#mustHoldValues();
  }

  #checkFlush(): void {
    expect(this.drive.hasUnflushedWrites).toBe(false);
    this.#mustHoldValues();
    for (let sector = 0; sector < SECTORS; sector++) this.#possible[sector] = new Set([this.#value[sector]!]);
  }

  /** The medium holds the last completed write of every sector. */
  #mustHoldValues(): void {
    expect(Uint32Array.from(this.#value.keys(), (sector) => this.image.stamp(sector))).toEqual(this.#value);
  }

  #checkRead(sector: number, segments: readonly Segment[]): void {
    sectorsOf(segments).forEach(({ mfn, offset }, i) => {
      expect(stampOf(this.memory.frame(mfn).subarray(offset, offset + SECTOR_SIZE))).toBe(this.#value[sector + i]);
    });
  }

  #noteWrite(first: number, sectors: number, stamp: number): void {
    for (let sector = first; sector < first + sectors; sector++) {
      this.#value[sector] = stamp;
      if (this.#writesThrough) {
        expect(this.image.stamp(sector)).toBe(stamp);
        this.#possible[sector]!.clear();
      }
      this.#possible[sector]!.add(stamp);
    }
  }
}

describe('against a plain array', () => {
  property(
    'a drive reads the last completed write, a flush makes it last, and power loss leaves flushed or later values',
    fc.constantFrom(...Object.keys(models)),
    fc.constantFrom(0, 4096, 12_288, 65_536, 2 << 20),
    fc.constantFrom('fifo' as const, 'elevator' as const),
    fc.nat(1000),
    fc.array(command, { maxLength: 60 }),
    (model, writeCacheBytes, scheduler, seed, commands) => {
      const bench = new Bench(models[model]!(seed), seed, { writeCacheBytes, scheduler });
      for (const step of commands) {
        if (step.kind === 'step') for (let i = 0; i < step.events; i++) bench.simulation.step();
        else if (step.kind === 'settle') bench.settle();
        else if (step.kind === 'powerLoss') bench.powerLoss();
        else if (step.kind === 'flush') bench.submit('flush', 0, 0, 0, false);
        else bench.submit(step.kind, step.sector, step.sectors, step.lead, step.fails);
      }
      bench.settle();
    },
    { numRuns: 60, lawRuns: 300 },
  );

  it('a drive loses, keeps and mixes unflushed sectors over seeds, whatever the order of the writes', () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const { simulation, drive, image, write } = small({ model: new InstantDisk(), writeCacheBytes: 65_536 }, seed);
      write(0, 1, 1);
      write(9, 1, 2);
      simulation.run(() => drive.counters.writes === 2);
      drive.powerLoss();
      outcomes.add(`${image.stamp(0)},${image.stamp(9)}`);
    }
    expect([...outcomes].sort()).toEqual(['0,0', '0,2', '1,0', '1,2']);
  });

  it('a drive tears a write that power loss interrupts, by whole sectors', () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const { drive, image, write } = small({ model: new InstantDisk(), writeCacheBytes: 0 }, seed);
      write(0, 2, 7);
      drive.powerLoss();
      outcomes.add(`${image.stamp(0)},${image.stamp(1)}`);
    }
    expect([...outcomes].sort()).toEqual(['0,0', '0,7', '7,0', '7,7']);
  });

  it('a drive runs the same way twice', () => {
    const digest = () => {
      const bench = new Bench(makeServiceTime(PENTIUM4_2006.disk), 5, { writeCacheBytes: 65_536 });
      for (let i = 0; i < 60; i++) bench.submit(i % 3 === 0 ? 'read' : 'write', (i * 37) % SECTORS, 9, i % 8, false);
      bench.settle();
      return `${bench.simulation.digest.hex} ${bench.simulation.now}`;
    };
    expect(digest()).toBe(digest());
  });
});

/** A drive with a log of completions, in order, as `sector` or `sector EIO`. */
function small(options: DriveOptions, seed = 1, sectorCount = SECTORS) {
  const simulation = new Simulation(seed);
  const memory = new MachineMemory(1024 * PAGE_SIZE);
  const image = new PlainImage(sectorCount);
  const drive = new Drive(simulation, memory, image, options);
  const log: string[] = [];
  let frame = 0;
  const submit = (op: BlockOp, sector: number, segments: readonly Segment[]) => {
    const done = (error: 'EIO' | undefined) => log.push(error === undefined ? String(sector) : `${sector} EIO`);
    drive.submit({ op, sector, segments, done });
  };
  const read = (sector: number, sectors = 1) => {
    submit('read', sector, scatter(frame++, sectors, 0));
  };
  const write = (sector: number, sectors: number, stamp: number) => {
    const segments = scatter(frame, sectors, 0);
    frame += segments.length;
    for (const { mfn, offset, length } of segments)
      for (let at = 0; at < length; at += 4) memory.writeU32(mfn, offset + at, stamp);
    submit('write', sector, segments);
  };
  return { simulation, memory, image, drive, log, submit, read, write };
}

/** Every read takes 1 µs, so that the order of service is the order of completion. */
class SteadyDisk implements ServiceTimeModel {
  readonly channels = 1;
  read(): Ns {
    return Ns(1000);
  }
  write(): Ns {
    return Ns(1000);
  }
  transfer(): Ns {
    return Ns(100);
  }
}

describe('queue', () => {
  const model = new SteadyDisk();

  it('queue goes upwards from where it is, then again from the lowest', () => {
    const { simulation, read, log } = small({ model, writeCacheBytes: 0 });
    for (const sector of [100, 50, 300, 10, 101, 200]) read(sector);
    simulation.run();
    expect(log).toEqual(['100', '101', '200', '300', '10', '50']);
  });

  it('queue keeps the order of arrival when told, and by itself when it serves many at once', () => {
    const order = ['100', '50', '300', '10'];
    const fifo = small({ model, writeCacheBytes: 0, scheduler: 'fifo' });
    for (const sector of order) fifo.read(Number(sector));
    fifo.simulation.run();
    expect(fifo.log).toEqual(order);
    const nvme = small({ model: makeServiceTime(PENTIUM4_2006.disk, 'nvme'), writeCacheBytes: 0 });
    for (const sector of order) nvme.read(Number(sector));
    nvme.simulation.run();
    expect(nvme.log).toEqual(order);
  });

  it('queue lets a request be overtaken 128 times and no more', () => {
    const { simulation, drive, log, read } = small({ model, writeCacheBytes: 0 }, 1, 8192);
    // A stream that goes upwards and always has a request waiting: the elevator alone would never
    // turn back.
    let next = 200;
    const stream = (): void => {
      if (next === 1200) return;
      const segments = [{ mfn: Mfn(next % 1000), offset: 0, length: SECTOR_SIZE }];
      const done = () => {
        log.push('stream');
        stream();
      };
      drive.submit({ op: 'read', sector: next++, segments, done });
    };
    stream();
    stream();
    read(100);
    simulation.run();
    expect(log.length).toBe(1001);
    // One was in service when it came.
    expect(log.indexOf('100')).toBe(129);
  });

  it('queue turns no elevator past a flush', () => {
    const { simulation, read, submit, log } = small({ model, writeCacheBytes: 0 });
    for (const sector of [100, 10, 200]) read(sector);
    submit('flush', -1, []);
    read(150);
    simulation.run();
    expect(log).toEqual(['100', '200', '10', '-1', '150']);
  });

  it('queue holds what came after a flush until the flush is over, and the flush until what came before it is', () => {
    const { simulation, read, write, submit, log } = small({ model: new UnrulyDisk(4, 3), writeCacheBytes: 65_536 });
    write(300, 8, 1);
    read(200);
    submit('flush', -1, []);
    read(100);
    write(0, 8, 2);
    simulation.run();
    expect(log.slice(0, 2).sort()).toEqual(['200', '300']);
    expect(log[2]).toBe('-1');
    expect(log.slice(3).sort()).toEqual(['0', '100']);
  });

  it('queue tells how many wait, and whether it is idle', () => {
    const { simulation, drive, read } = small({ model, writeCacheBytes: 0 });
    expect([drive.isIdle, drive.queueLength]).toEqual([true, 0]);
    read(1);
    read(2);
    read(3);
    expect([drive.isIdle, drive.queueLength]).toEqual([false, 2]);
    simulation.run();
    expect([drive.isIdle, drive.queueLength]).toEqual([true, 0]);
  });
});

describe('errors', () => {
  const good: Segment = { mfn: Mfn(0), offset: 0, length: 512 };
  it.each([
    ['no segments', 'read', 0, []],
    ['a flush with segments', 'flush', 0, [good]],
    ['a sector that is negative', 'read', -1, [good]],
    ['a sector that is not whole', 'read', 0.5, [good]],
    ['a sector that is no number', 'write', NaN, [good]],
    ['the end of the device', 'write', SECTORS, [good]],
    ['crossing the end', 'read', SECTORS - 1, [good, good]],
    ['half a sector', 'read', 0, [{ ...good, length: 256 }]],
    ['an odd offset', 'read', 0, [{ ...good, offset: 100 }]],
    ['an empty segment', 'read', 0, [good, { ...good, length: 0 }]],
    ['a segment that leaves its frame', 'read', 0, [{ ...good, offset: 3584, length: 1024 }]],
    ['a frame beyond memory', 'read', 0, [{ ...good, mfn: Mfn(1024) }]],
    ['a frame before memory', 'write', 0, [{ ...good, mfn: Mfn(-1) }]],
  ] as const)('a request that is %s is answered EIO, later, and nothing else happens', (_, op, sector, segments) => {
    const { simulation, drive, image, log, submit } = small({ model: new InstantDisk(), writeCacheBytes: 65_536 });
    submit(op, sector, segments);
    expect(log).toEqual([]);
    simulation.run();
    expect(log).toEqual([`${sector} EIO`]);
    expect(drive.counters).toMatchObject({ errors: 1, reads: 0, writes: 0, flushes: 0, busyNs: 0 });
    expect(image.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('a fault takes time and moves nothing', () => {
    const model = new SteadyDisk();
    const faults = ({ sector }: BlockRequest) => (sector === 8 ? 'EIO' : undefined);
    const { simulation, image, drive, write, log } = small({ model, writeCacheBytes: 0, faults });
    write(8, 1, 5);
    write(16, 1, 6);
    simulation.run();
    expect(log).toEqual(['8 EIO', '16']);
    expect([image.stamp(8), image.stamp(16)]).toEqual([0, 6]);
    expect(drive.counters).toMatchObject({ errors: 1, writes: 1, sectorsWritten: 1, busyNs: 2200 });
  });
});

describe('cache and time', () => {
  it.each([
    [undefined, 0],
    [0, 0],
    [50_000_000, 50_000_000],
  ])(
    'a drive completes a cached write at bus speed and writes it out after a delay of %s',
    (destageDelayNs, delayNs) => {
      const options = { model: new SteadyDisk(), writeCacheBytes: 65_536 };
      const { simulation, drive, image, write } = small(
        destageDelayNs === undefined ? options : { ...options, destageDelayNs },
      );
      write(3, 2, 9);
      simulation.run(() => drive.counters.writes === 1);
      expect(simulation.now).toBe(100);
      expect([drive.hasUnflushedWrites, image.stamp(3)]).toEqual([true, 0]);
      simulation.run();
      expect(simulation.now).toBe(delayNs + 1100);
      expect([drive.hasUnflushedWrites, image.stamp(3), image.stamp(4), image.stamp(5)]).toEqual([false, 9, 9, 0]);
    },
  );

  it('a drive counts the delay of destaging from the last request', () => {
    const options = { model: new SteadyDisk(), writeCacheBytes: 65_536, destageDelayNs: 5000 };
    const { simulation, read, write, drive } = small(options);
    write(3, 2, 9);
    simulation.after(Ns(4000), () => {
      read(160);
    });
    simulation.run();
    // The read ends at 5000, and the run of 1000 begins 5000 later.
    expect([simulation.now, drive.hasUnflushedWrites]).toEqual([11_000, false]);
  });

  it.each([
    ['all of what was written', 3, 2, 100],
    ['its last sector', 4, 1, 100],
    ['a sector before it', 2, 1, 1000],
    ['a sector behind it', 5, 1, 1000],
    ['it and the sector behind it', 3, 3, 1000],
    ['the sector before it and it', 2, 3, 1000],
    ['both granules', 15, 2, 100],
    ['both granules, and one sector more', 14, 3, 1000],
  ])('a read of %s waits for the medium only if the cache does not hold all of it', (_, sector, sectors, ns) => {
    const options = { model: new SteadyDisk(), writeCacheBytes: 65_536, destageDelayNs: 1e9 };
    const { simulation, read, write, log } = small(options);
    write(3, 2, 9);
    write(15, 1, 8);
    write(16, 1, 7);
    simulation.run(() => log.length === 3);
    const begin = simulation.now;
    read(sector, sectors);
    simulation.run(() => log.length === 4);
    expect(simulation.now - begin).toBe(ns);
  });

  it('a drive answers reads and writes of the cache while a run is being written out, and lets others wait for its end', () => {
    const { simulation, drive, read, write, log } = small({ model: new SteadyDisk(), writeCacheBytes: 65_536 });
    write(3, 2, 9);
    const times: number[] = [];
    simulation.after(Ns(200), () => {
      write(40, 2, 8);
      read(3, 2);
    });
    simulation.after(Ns(500), () => {
      read(160);
    });
    simulation.run(() => {
      if (log.length > times.length) times.push(simulation.now);
      return log.length === 4;
    });
    // The run lasts from 100 to 1100.
    expect(log).toEqual(['3', '40', '3', '160']);
    expect(times).toEqual([100, 300, 400, 2100]);
    expect(drive.counters.reads).toBe(2);
  });

  it('a drive makes room when its cache is full', () => {
    const { simulation, drive, write, log } = small({ model: new SteadyDisk(), writeCacheBytes: 8192 });
    for (let i = 0; i < 10; i++) write(i * 16, 8, i + 1);
    simulation.run(() => log.length === 10);
    expect(drive.counters.busyNs).toBeGreaterThan(8 * 1000);
    expect(simulation.now).toBeLessThan(50_000_000);
  });

  it('a drive counts what it does', () => {
    const { simulation, drive, read, write, submit } = small({ model: new SteadyDisk(), writeCacheBytes: 65_536 });
    read(0, 8);
    write(8, 3, 1);
    submit('flush', 0, []);
    simulation.run();
    expect(drive.counters).toEqual({
      reads: 1,
      writes: 1,
      flushes: 1,
      sectorsRead: 8,
      sectorsWritten: 3,
      errors: 0,
      // Read 1000, write 100, destaging 1000, flush 100.
      busyNs: 2200,
    });
  });

  it('a drive writes a stream at the rate of the medium, and one write after another at that of the rotation', () => {
    const simulation = new Simulation(1);
    const memory = new MachineMemory(2 << 20);
    const image = new PlainImage((32 << 20) / SECTOR_SIZE);
    const options = { model: makeServiceTime(PENTIUM4_2006.disk, 'disk'), writeCacheBytes: 2 << 20 };
    const drive = new Drive(simulation, memory, image, options);
    const write = (request: number, sectors: number, then: () => void): void => {
      const segments = scatter(0, sectors, 0);
      drive.submit({ op: 'write', sector: request * sectors, segments, done: then });
    };
    // 128 KiB at a time, the next one 0.5 ms after the one before has ended, as a busy writer does.
    let left = 256;
    const next = (): void => {
      if (--left > 0) simulation.after(Ns(500_000), () => write(256 - left, 256, next));
    };
    write(0, 256, next);
    simulation.run(() => left === 0);
    const streamMBps = (30 << 20) / (simulation.now / 1000);
    expect(streamMBps).toBeGreaterThan(0.9 * 61);
    expect(streamMBps).toBeLessThan(1.05 * 61);
    // 4 KiB, and a flush: what was not there before the arm passed has to wait for the next turn.
    const begin = simulation.now;
    let turns = 20;
    const append = (): void => {
      write(20 - turns, 8, () => {
        drive.submit({
          op: 'flush',
          sector: 0,
          segments: [],
          done: () => {
            if (--turns > 0) append();
          },
        });
      });
    };
    append();
    simulation.run(() => turns === 0);
    expect((simulation.now - begin) / 20).toBeGreaterThan(0.9 * (60e9 / 7200));
  });

  it('a drive counts the service that is going on', () => {
    const { simulation, drive, read } = small({ model: new SteadyDisk(), writeCacheBytes: 0 });
    read(0);
    let seen = -1;
    simulation.after(Ns(400), () => {
      seen = drive.counters.busyNs;
    });
    simulation.run();
    expect([seen, drive.counters.busyNs]).toEqual([400, 1000]);
  });

  it('a drive never completes what power loss found waiting or in service, and works again afterwards', () => {
    const { simulation, drive, read, log } = small({ model: new SteadyDisk(), writeCacheBytes: 0 });
    read(1);
    read(2);
    simulation.after(Ns(500), () => {
      drive.powerLoss();
      read(3);
    });
    simulation.run();
    expect(log).toEqual(['3']);
    expect(simulation.now).toBe(1500);
  });
});

describe('a port', () => {
  it('a port moves bytes between the medium and memory of its own; a reset of one machine leaves the others’ requests alone', () => {
    const simulation = new Simulation(1);
    const [mine, theirs] = [new MachineMemory(1 << 20), new MachineMemory(1 << 20)];
    const image = new PlainImage(SECTORS);
    const drive = new Drive(simulation, mine, image, { model: new SteadyDisk(), writeCacheBytes: 0 });
    const port = drive.port(theirs);
    expect(port.sectorCount).toBe(drive.sectorCount);
    mine.writeU32(Mfn(3), 0, 0x1111);
    theirs.writeU32(Mfn(3), 0, 0x2222);
    const log: string[] = [];
    const submit = (device: BlockDevice, op: 'read' | 'write', block: number, mfn: number): void =>
      device.submit({
        op,
        sector: block * SECTORS_PER_PAGE,
        segments: [{ mfn: Mfn(mfn), offset: 0, length: PAGE_SIZE }],
        done: (error) => log.push(`${device === drive ? 'mine' : 'theirs'} ${op} ${block} ${error ?? 'ok'}`),
      });
    submit(drive, 'write', 0, 3);
    submit(port, 'write', 1, 3);
    simulation.run();
    submit(port, 'read', 0, 5);
    submit(drive, 'read', 1, 5);
    simulation.run();
    expect([theirs.readU32(Mfn(5), 0), mine.readU32(Mfn(5), 0)]).toEqual([0x1111, 0x2222]);
    log.length = 0;
    // One of mine is in service, then one of theirs waits, and one of mine.
    submit(drive, 'read', 1, 6);
    submit(port, 'read', 0, 6);
    submit(drive, 'read', 1, 7);
    drive.reset();
    submit(drive, 'read', 0, 8);
    simulation.run();
    expect(log.sort()).toEqual(['mine read 0 ok', 'theirs read 0 ok']);
    expect([mine.readU32(Mfn(6), 0), mine.readU32(Mfn(7), 0), mine.readU32(Mfn(8), 0)]).toEqual([0, 0, 0x1111]);
    submit(port, 'read', 0, 9);
    submit(drive, 'read', 0, 9);
    port.reset();
    simulation.run();
    expect(log).toHaveLength(3);
    expect([theirs.readU32(Mfn(9), 0), mine.readU32(Mfn(9), 0)]).toEqual([0, 0x1111]);
    // What is no frame of the port's memory is refused, whatever the other machine has.
    submit(port, 'read', 0, 256);
    simulation.run();
    expect(log.at(-1)).toBe('theirs read 0 EIO');
  });
});

describe('the contents of a drive', () => {
  property(
    'the contents of a drive are what it has taken, whether on the medium or in its cache',
    fc.array(fc.tuple(fc.nat(SECTORS - 20), fc.integer({ min: 1, max: 16 }), fc.boolean()), { maxLength: 20 }),
    fc.nat((SECTORS - 1) * SECTOR_SIZE),
    fc.nat(20_000),
    (writes, offset, length) => {
      const simulation = new Simulation(1);
      const memory = new MachineMemory(4 << 20);
      const image = new PlainImage(SECTORS);
      const drive = new Drive(simulation, memory, image, { model: new InstantDisk(), writeCacheBytes: 64 * PAGE_SIZE });
      const model = new Uint8Array(SECTORS * SECTOR_SIZE);
      writes.forEach(([sector, sectors, flushes], i) => {
        const mfn = Mfn(2 * i);
        const bytes = sectors * SECTOR_SIZE;
        const first = Math.min(bytes, PAGE_SIZE);
        memory.frame(mfn).fill(i + 1);
        memory.frame(Mfn(2 * i + 1)).fill(i + 1);
        model.fill(i + 1, sector * SECTOR_SIZE, sector * SECTOR_SIZE + bytes);
        const segments: Segment[] = [{ mfn, offset: 0, length: first }];
        if (bytes > first) segments.push({ mfn: Mfn(2 * i + 1), offset: 0, length: bytes - first });
        let isOver = false;
        drive.submit({ op: 'write', sector, segments, done: () => (isOver = true) });
        simulation.run(() => isOver);
        if (flushes) drive.submit({ op: 'flush', sector: 0, segments: [], done: () => undefined });
      });
      const wanted = Math.min(length, model.length - offset);
      const seen = new Uint8Array(wanted + 3);
      drive.contents.read(offset, seen, 3, wanted);
      expect(Buffer.compare(seen.subarray(3), model.subarray(offset, offset + wanted))).toBe(0);
      expect(drive.contents.size).toBe(image.size);
    },
    { numRuns: 60 },
  );
});
