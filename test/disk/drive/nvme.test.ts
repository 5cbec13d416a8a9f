import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { NvmeDisk } from '../../../src/disk/drive/nvme.ts';
import { values, type NvmeConstant, type Values } from '../../../src/machine/profile.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { property } from '../../support/property.ts';

function data(): Values<NvmeConstant> {
  const { disk } = SERVER_2026;
  if (disk.kind !== 'nvme') throw new Error('the profile of 2026 has an NVMe drive');
  return values(disk.constants);
}

/** ns until `count` reads of `sectors` are done, `depth` of them in flight. */
function readAll(count: number, sectors: number, depth: number): number {
  const disk = new NvmeDisk(data());
  const ends: number[] = [];
  let last = 0;
  for (let i = 0; i < count; i++) {
    const now = i < depth ? 0 : ends[i - depth]!;
    const end = now + disk.read(0, sectors, Ns(now));
    ends.push(end);
    last = Math.max(last, end);
  }
  return last;
}

describe('NVMe', () => {
  it('NVMe serves one read in latency and transfer', () => {
    const { readLatencyNs, readMBps } = data();
    expect(readAll(1, 8, 1)).toBe(Math.ceil(readLatencyNs + 4096_000 / readMBps));
  });

  it('NVMe overlaps latencies but not transfers', () => {
    const { readLatencyNs, readMBps } = data();
    expect(readAll(64, 8, 64)).toBe(Math.ceil(readLatencyNs + (64 * 4096_000) / readMBps));
  });

  it('NVMe is bound by bandwidth when the queue is deep and by latency when it is not', () => {
    const bytes = 4000 * 256 * 512;
    expect(bytes / (readAll(4000, 256, data().channels) / 1000)).toBeGreaterThan(data().readMBps * 0.98);
    expect(bytes / (readAll(4000, 256, 1) / 1000)).toBeLessThan(data().readMBps * 0.25);
  });

  it('NVMe completes a small write in command, transfer and write latency', () => {
    const disk = new NvmeDisk(data());
    const { commandNs, writeLatencyNs, writeMBps } = data();
    const moved = disk.transfer('write', 8, Ns(0));
    expect(moved).toBe(Math.ceil(commandNs + 4096_000 / writeMBps));
    expect(disk.write(0, 8, moved)).toBe(writeLatencyNs);
  });

  property(
    'NVMe gives answers that are whole and never beat the bandwidth',
    fc.array(fc.record({ sectors: fc.integer({ min: 1, max: 1024 }), pause: fc.nat(200_000) }), { minLength: 1 }),
    (requests) => {
      const disk = new NvmeDisk(data());
      let now = 0;
      let last = 0;
      let bytes = 0;
      for (const { sectors, pause } of requests) {
        now += pause;
        const time = disk.read(0, sectors, Ns(now));
        expect(Number.isSafeInteger(time)).toBe(true);
        bytes += sectors * 512;
        last = now + time;
      }
      expect(last).toBeGreaterThanOrEqual((bytes * 1000) / data().readMBps);
    },
  );
});
