import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { InstantDisk } from '../../../src/disk/drive/instant.ts';
import { driveOptions, makeServiceTime } from '../../../src/disk/drive/make-service-time.ts';
import { NvmeDisk } from '../../../src/disk/drive/nvme.ts';
import { RotatingDisk } from '../../../src/disk/drive/rotating-disk.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';

describe('makeServiceTime', () => {
  it.each([
    [PENTIUM4_2006, 'profile', RotatingDisk],
    [PENTIUM4_2006, 'disk', RotatingDisk],
    [PENTIUM4_2006, 'nvme', NvmeDisk],
    [PENTIUM4_2006, 'instant', InstantDisk],
    [SERVER_2026, 'profile', NvmeDisk],
    [SERVER_2026, 'disk', RotatingDisk],
    [SERVER_2026, 'nvme', NvmeDisk],
    [SERVER_2026, 'instant', InstantDisk],
  ] as const)('makeServiceTime makes the model of $0.name with $1', ({ disk }, kind, model) => {
    expect(makeServiceTime(disk, kind)).toBeInstanceOf(model);
  });

  it('makeServiceTime gives every drive its own state', () => {
    const [one, two] = [makeServiceTime(PENTIUM4_2006.disk), makeServiceTime(PENTIUM4_2006.disk)];
    one.read(1_000_000, 8, Ns(0));
    const fresh = two.read(0, 8, Ns(0));
    expect(makeServiceTime(PENTIUM4_2006.disk).read(0, 8, Ns(0))).toBe(fresh);
  });

  it('makeServiceTime answers in 1 ns when the drive is instant', () => {
    const model = makeServiceTime(PENTIUM4_2006.disk, 'instant');
    expect([model.read(0, 8, Ns(0)), model.write(0, 8, Ns(0)), model.transfer('write', 8, Ns(0))]).toEqual([1, 1, 1]);
  });

  it('makeServiceTime knows the volatile write cache, and when it is written out', () => {
    const { writeCacheBytes, destageDelayNs } = driveOptions(PENTIUM4_2006.disk);
    expect([writeCacheBytes, destageDelayNs]).toEqual([2 << 20, 0]);
    expect(driveOptions(PENTIUM4_2006.disk, 'instant').writeCacheBytes).toBe(0);
    expect(driveOptions(PENTIUM4_2006.disk, 'nvme').writeCacheBytes).toBe(0);
  });
});
