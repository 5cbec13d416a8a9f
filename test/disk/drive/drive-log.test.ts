import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { demerit, parseDriveLog, replayDriveLog, type LoggedRequest } from '../../../src/disk/drive/drive-log.ts';
import type { DriveTables } from '../../../src/machine/drive-tables.ts';
import type { DiskSection, RotatingDiskSection } from '../../../src/machine/profile.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../../../src/machine/profiles/drives-1998.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';

function logOf(name: string): LoggedRequest[] {
  const path = new URL(`../../../data/drives/${name}.trace.gz`, import.meta.url);
  return parseDriveLog(gunzipSync(readFileSync(path)).toString(), name);
}

const demeritOf = (log: readonly LoggedRequest[], disk: DiskSection): number =>
  demerit(
    log.map(({ responseNs }) => responseNs),
    replayDriveLog(log, disk),
  );

const withTables = (disk: RotatingDiskSection, tables: Partial<DriveTables>): RotatingDiskSection => ({
  ...disk,
  tables: { ...disk.tables!, ...tables },
});

describe.each([
  { name: 'barracuda', disk: BARRACUDA_4LP, published: 0.0552, bound: 0.07, asLogged: 0.0331, headSwitchNs: 1.496e6 },
  { name: 'cheetah9LP', disk: CHEETAH_9LP, published: 0.0445, bound: 0.045, asLogged: 0.0253, headSwitchNs: 0.927e6 },
])('the log of $name', ({ name, disk, published, bound, asLogged, headSwitchNs }) => {
  const log = logOf(name);

  it('the log is replayed within its bound with the published tables', () => {
    expect(log).toHaveLength(10_000);
    expect(demeritOf(log, disk)).toBeCloseTo(published, 4);
    expect(published).toBeLessThan(bound);
  });

  it('the model is nearer with the head switch that the fastest reads of the log leave', () => {
    expect(demeritOf(log, withTables(disk, { headSwitchNs }))).toBeCloseTo(asLogged, 3);
  });

  it('the model is further away when destaging waits, when a miss costs 2 ms more, and when the bus starts at once', () => {
    const { constants, tables } = disk;
    const { overheads, buffer } = tables!;
    const destageDelayNs = { ...constants.destageDelayNs, value: 50_000_000 };
    const slower = { afterRead: 2.6e6, afterWrite: 2.6e6 };
    for (const [what, other] of [
      ['destaging', { ...disk, constants: { ...constants, destageDelayNs } }],
      ['miss', withTables(disk, { overheads: { ...overheads!, readMiss: slower } })],
      ['bus', withTables(disk, { buffer: { ...buffer!, busFollowsHead: false } })],
    ] as const)
      expect(demeritOf(log, other), what).toBeGreaterThan(1.25 * published);
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
