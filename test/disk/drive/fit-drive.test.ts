import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { demerit, type LoggedRequest, parseDriveLog, replayDriveLog } from '../../../src/disk/drive/drive-log.ts';
import { fitDrive } from '../../../src/disk/drive/fit-drive.ts';
import type { DiskSection } from '../../../src/machine/profile.ts';
import { BARRACUDA_4LP } from '../../../src/machine/profiles/drives-1998.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';

/** The drive without its tables: what a fit is of. */
const { tables: TABLES, ...PLAIN } = BARRACUDA_4LP;

const LOG = new URL('../../../data/drives/barracuda.trace.gz', import.meta.url);

function barracuda(requests: number): LoggedRequest[] {
  return parseDriveLog(gunzipSync(readFileSync(LOG)).toString(), 'barracuda').slice(0, requests);
}

function withValues(disk: DiskSection, values: Readonly<Record<string, number>>): DiskSection {
  const constants: Record<string, unknown> = { ...disk.constants };
  for (const [name, value] of Object.entries(values)) constants[name] = { ...(constants[name] as object), value };
  return { ...disk, constants } as DiskSection;
}

describe('fitDrive', () => {
  const log = barracuda(400);
  const fit = fitDrive(log, PLAIN);

  it('a fit lowers the demerit of a measured log, and says which demerit its own drive has', () => {
    const real = log.map(({ responseNs }) => responseNs);
    expect(fit.requests).toBe(400);
    expect(fit.startDemerit).toBe(demerit(real, replayDriveLog(log, PLAIN)));
    expect(fit.demerit).toBe(demerit(real, replayDriveLog(log, fit.disk)));
    expect(fit.demerit).toBeLessThan(0.7 * fit.startDemerit);
  });

  it('a fit of a drive with tables is the fit of its constants', () => {
    const some = log.slice(0, 100);
    const fitted = fitDrive(some, BARRACUDA_4LP);
    const { startDemerit: _start, ...rest } = fitted;
    const { startDemerit: _plain, ...expected } = fitDrive(some, PLAIN);
    expect(TABLES).toBeDefined();
    expect(rest).toEqual(expected);
    expect(rest.disk).not.toHaveProperty('tables');
  });

  it('a fit of the same log from the same start is the same', () => {
    expect(fitDrive(log, PLAIN)).toEqual(fit);
  });

  it('a fit says that what it changed was measured, and leaves the rest as it was', () => {
    expect(fit.changed.length).toBeGreaterThan(0);
    for (const [name, constant] of Object.entries(fit.disk.constants)) {
      const before = Object.entries(PLAIN.constants).find(([other]) => other === name)![1];
      if (!fit.changed.includes(name)) expect(constant).toBe(before);
      else
        expect(constant).toMatchObject({
          unit: before.unit,
          provenance: 'measured',
          note: 'fitted to a log of 400 requests',
        });
    }
  });

  it('a fit finds the latencies of a flash drive whose log the model itself has written', () => {
    const truth = withValues(SERVER_2026.disk, { readLatencyNs: 150_000, commandNs: 30_000 });
    const requests = log.slice(0, 200).map((request) => ({ ...request, sector: request.sector % 100_000 }));
    const times = replayDriveLog(requests, truth);
    const written = requests.map((request, at) => ({ ...request, responseNs: times[at]! }));
    const found = fitDrive(written, SERVER_2026.disk);
    expect(found.demerit).toBeLessThan(0.02);
    const { constants } = found.disk;
    if (!('commandNs' in constants)) throw new Error('a flash drive is wanted');
    expect(Math.abs(constants.readLatencyNs.value / 150_000 - 1)).toBeLessThan(0.05);
  });

  it('a fit to half of a log is nearer to the other half than the published constants are', () => {
    const whole = barracuda(2000);
    const { disk } = fitDrive(whole.slice(0, 1000), PLAIN);
    const real = whole.slice(1000).map(({ responseNs }) => responseNs);
    const unseen = (drive: DiskSection): number => demerit(real, replayDriveLog(whole, drive).subarray(1000));
    expect(unseen(disk)).toBeLessThan(0.7 * unseen(PLAIN));
  });

  it('a log without requests, or whose requests took no time, is refused', () => {
    expect(() => fitDrive([], PLAIN)).toThrow('log: it holds a request');
    expect(() => fitDrive([{ ...log[0]!, responseNs: 0 }], PLAIN)).toThrow('log: some request takes time');
  });
});
