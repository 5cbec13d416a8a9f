import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import { Ns } from '../../../src/base/units.ts';
import type { BlockOp } from '../../../src/disk/drive/block-device.ts';
import { type DiskLimit, LimitedDisk } from '../../../src/disk/drive/limited-disk.ts';
import type { ServiceTimeModel } from '../../../src/disk/drive/service-time.ts';

const MS = 1e6;

/** A read takes 7 ns, a transfer 5 and a write 3; it notes when each began. */
class Noting implements ServiceTimeModel {
  readonly channels = 64;
  readonly starts: number[] = [];
  read = (_sector: number, _sectors: number, now: Ns): Ns => this.#note(now, 7);
  write = (_sector: number, _sectors: number, now: Ns): Ns => this.#note(now, 3);
  transfer = (_op: BlockOp, _sectors: number, now: Ns): Ns => this.#note(now, 5);

  #note(now: Ns, ns: number): Ns {
    this.starts.push(now);
    return Ns(ns);
  }
}

/** When reads of 4 KiB that come at these times begin, ms; none goes on where another ends. */
function startsOf(limit: DiskLimit, times: readonly number[], sectors = 8): number[] {
  const model = new Noting();
  const disk = new LimitedDisk(model, limit);
  for (const [n, ms] of times.entries()) disk.read(1000 * n, sectors, Ns(ms * MS));
  return model.starts.map((ns) => ns / MS);
}

describe('a drive with a limit', () => {
  it('a drive without burst begins an operation each interval of its limit', () => {
    expect(startsOf({ iops: 100, burst: 0 }, [0, 0, 0, 5, 100])).toEqual([0, 10, 20, 30, 100]);
  });

  it('an idle drive takes at once what its burst allows, and one more', () => {
    expect(startsOf({ iops: 100, burst: 0.03 }, [0, 0, 0, 0, 0, 0])).toEqual([0, 0, 0, 0, 10, 20]);
  });

  it('the burst is a tenth of a second where nothing else is said', () => {
    const starts = startsOf(
      { iops: 100 },
      Array.from({ length: 13 }, () => 0),
    );
    expect(starts.filter((ms) => ms === 0)).toHaveLength(11);
    expect(starts.slice(11)).toEqual([10, 20]);
  });

  it('a limit of bytes makes those behind a large read wait for its bytes', () => {
    expect(startsOf({ mbps: 4.096, burst: 0 }, [0, 0, 0])).toEqual([0, 1, 2]);
    expect(startsOf({ mbps: 4.096, burst: 0 }, [0, 0, 0], 80)).toEqual([0, 10, 20]);
  });

  it('of two limits the tighter one counts', () => {
    expect(startsOf({ iops: 1000, mbps: 2.048, burst: 0 }, [0, 0])).toEqual([0, 2]);
    expect(startsOf({ iops: 100, mbps: 4.096, burst: 0 }, [0, 0])).toEqual([0, 10]);
  });

  it('a read takes the wait and what the drive takes then', () => {
    const disk = new LimitedDisk(new Noting(), { iops: 100, burst: 0 });
    expect([disk.read(0, 8, Ns(0)), disk.read(99, 8, Ns(0))]).toEqual([7, 10 * MS + 7]);
    expect(disk.channels).toBe(64);
  });

  it('a read that goes on where a waiting one ends is a part of it, up to 256 KiB', () => {
    const model = new Noting();
    const disk = new LimitedDisk(model, { iops: 100, burst: 0 });
    disk.read(5000, 8, Ns(0));
    for (const sector of [0, 88, 176, 264, 352, 440]) disk.read(sector, 88, Ns(0));
    expect(model.starts.map((ns) => ns / MS)).toEqual([0, 10, 10, 10, 10, 10, 20]);
  });

  it('a read that goes on where one ends that has begun is one of its own', () => {
    const model = new Noting();
    const disk = new LimitedDisk(model, { iops: 100, burst: 0 });
    disk.read(0, 8, Ns(0));
    disk.read(8, 8, Ns(1 * MS));
    expect(model.starts.map((ns) => ns / MS)).toEqual([0, 10]);
  });

  it('the bytes of a part count as those of a read of its own', () => {
    const model = new Noting();
    const disk = new LimitedDisk(model, { mbps: 4.096, burst: 0 });
    disk.read(0, 8, Ns(0));
    disk.read(8, 8, Ns(0));
    disk.read(900, 8, Ns(0));
    expect(model.starts.map((ns) => ns / MS)).toEqual([0, 0, 2]);
  });

  it('a write counts when it comes, and not again when the cache writes it to the medium; a flush never does', () => {
    const model = new Noting();
    const disk = new LimitedDisk(model, { iops: 100, burst: 0 });
    expect(disk.transfer('write', 8, Ns(0))).toBe(5);
    expect(disk.write(0, 8, Ns(0))).toBe(3);
    expect(disk.transfer('flush', 0, Ns(0))).toBe(5);
    expect(disk.transfer('write', 8, Ns(0))).toBe(10 * MS + 5);
    expect(disk.transfer('read', 8, Ns(0))).toBe(20 * MS + 5);
  });

  it.each([
    [{}, 'limit: expected iops, mbps or both'],
    [{ burst: 1 }, 'limit: expected iops, mbps or both'],
    [{ iops: 0 }, 'limit.iops: expected more than 0 to 1000000000'],
    [{ iops: Number.NaN }, 'limit.iops: expected more than 0 to 1000000000'],
    [{ mbps: -1 }, 'limit.mbps: expected more than 0 to 1000000'],
    [{ iops: 1, burst: -1 }, 'limit.burst: expected 0 to 3600'],
    [{ iops: 1, reads: 2 }, 'limit: has no reads; there are iops, mbps, burst'],
  ])('a limit of %j makes no sense', (limit, message) => {
    expect(() => new LimitedDisk(new Noting(), limit)).toThrow(new ArgumentError(message));
  });
});
