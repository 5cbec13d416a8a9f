import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { demerit, parseDriveLog, replayDriveLog, type LoggedRequest } from '../../../src/disk/drive/drive-log.ts';
import type { DiskSection } from '../../../src/machine/profile.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../../../src/machine/profiles/drives-1998.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';

function logOf(name: string): LoggedRequest[] {
  const path = new URL(`../../../data/drives/${name}.trace.gz`, import.meta.url);
  return parseDriveLog(gunzipSync(readFileSync(path)).toString(), name);
}

function withConstant(
  disk: DiskSection,
  name: 'destageDelayNs' | 'headSwitchNs' | 'readMissNs',
  value: number,
): DiskSection {
  if (disk.kind !== 'disk') throw new Error('a rotating disk is wanted');
  return { ...disk, constants: { ...disk.constants, [name]: { ...disk.constants[name], value } } };
}

const demeritOf = (log: readonly LoggedRequest[], disk: DiskSection): number =>
  demerit(
    log.map(({ responseNs }) => responseNs),
    replayDriveLog(log, disk),
  );

describe.each([
  { name: 'barracuda', disk: BARRACUDA_4LP, reached: 0.0704 },
  { name: 'cheetah9LP', disk: CHEETAH_9LP, reached: 0.0382 },
])('the log of $name', ({ name, disk, reached }) => {
  const log = logOf(name);

  it('the log is replayed with a demerit below a tenth of its mean response', () => {
    expect(log).toHaveLength(10_000);
    expect(demeritOf(log, disk)).toBeCloseTo(reached, 3);
  });

  it('the model is further away when destaging waits, when a head switch is free, and when a miss costs 2 ms more', () => {
    for (const [constant, value] of [
      ['destageDelayNs', 50_000_000],
      ['headSwitchNs', 0],
      ['readMissNs', 2_600_000],
    ] as const)
      expect(demeritOf(log, withConstant(disk, constant, value)), constant).toBeGreaterThan(1.25 * reached);
  });
});

describe('demerit', () => {
  it('demerit is the root mean square between the quantiles, over the mean of the real times', () => {
    expect(demerit([1, 2, 3], [3, 1, 2])).toBe(0);
    expect(demerit([10, 30], [13, 26])).toBeCloseTo(Math.sqrt((9 + 16) / 2) / 20, 12);
    expect(demerit([10, 30], [26, 13])).toBeCloseTo(Math.sqrt((9 + 16) / 2) / 20, 12);
  });
});

describe('a log', () => {
  it('a log is read line by line, times in µs', () => {
    expect(parseDriveLog('R Hit 10 4 0.5 3.25\n\nW Miss 0 1 1000 0\n', 'log')).toEqual([
      { op: 'read', sector: 10, sectors: 4, responseNs: 500, gapNs: 3250 },
      { op: 'write', sector: 0, sectors: 1, responseNs: 1_000_000, gapNs: 0 },
    ]);
  });

  it.each([
    'X Hit 10 4 1 1',
    'R Near 10 4 1 1',
    'R Hit -1 4 1 1',
    'R Hit 1.5 4 1 1',
    'R Hit 10 0 1 1',
    'R Hit 10 4 1',
    'R Hit 10 4 -1 1',
    'R Hit 10 4 1 NaN',
    'R Hit 10 4 1 1e13',
    'R Hit 10 4 1 1 1',
  ])('a log that holds "%s" is refused, with the line', (line) => {
    expect(() => parseDriveLog(`R Hit 10 4 1 1\n${line}\n`, 'a.log')).toThrow(/^a\.log, line 2: expected/);
  });

  it('a log is replayed with its gaps, one request after the other', () => {
    const log = parseDriveLog('R Hit 0 8 1 100\nR Hit 8 8 1 100\n', 'log');
    const { constants, kind } = SERVER_2026.disk;
    if (kind !== 'nvme') throw new Error('a flash drive is wanted');
    const ns = Math.ceil(constants.readLatencyNs.value + (8 * 512 * 1000) / constants.readMBps.value);
    expect([...replayDriveLog(log, SERVER_2026.disk)]).toEqual([ns, ns]);
  });
});
