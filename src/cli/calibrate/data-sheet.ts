/**
 * A drive from its data sheet.
 *
 * A sheet tells less than the model takes. What it leaves out is in proportion to a drive that is
 * known, or that drive's own value. Each constant says which.
 */

import { UserError } from '../../base/index.ts';
import { type Constant, type DiskSection, unitOfConstant } from '../../machine/profile.ts';
import { PENTIUM4_2006 } from '../../machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { oneLine } from '../kit/values.ts';

/** Figures of a sheet, in the unit in which a name ends. */
const ROTATING = ['rpm', 'seekMs', 'MBps', 'GB'] as const;
const ROTATING_MORE = ['innerMBps', 'trackMs', 'strokeMs', 'busMBps', 'heads', 'cacheMiB'] as const;
const FLASH = ['readUs', 'writeUs', 'readMBps', 'writeMBps'] as const;
const FLASH_MORE = ['commandUs', 'channels', 'cacheMiB'] as const;
/** What the help says of them. */
export const SHEET_HELP = `with platters ${ROTATING.join(', ')}, and perhaps ${ROTATING_MORE.join(', ')}; flash ${FLASH.join(', ')}, and perhaps ${FLASH_MORE.join(', ')}`;

type Figures = ReadonlyMap<string, number>;

/** @throws UserError that names the figure */
export function parseSheet(option: string, text: string): DiskSection {
  const figures = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name, digits] = /^\s*(\w{1,20})\s*=\s*(\d{1,12}(?:\.\d{1,6})?)\s*$/.exec(part) ?? [];
    if (name === undefined)
      throw new UserError(`${option}: ${oneLine(part.trim())} is not NAME=NUMBER such as rpm=7200`);
    if (figures.has(name)) throw new UserError(`${option}: ${name} is named twice`);
    if (Number(digits) === 0 && name !== 'cacheMiB') throw new UserError(`${option}: ${name} is more than 0`);
    figures.set(name, Number(digits));
  }
  const isRotating = figures.has('rpm');
  const needed: readonly string[] = isRotating ? ROTATING : FLASH;
  const more: readonly string[] = isRotating ? ROTATING_MORE : FLASH_MORE;
  const unknown = [...figures.keys()].find((name) => !needed.includes(name) && !more.includes(name));
  const what = isRotating ? 'a drive with platters (rpm)' : 'a flash drive (no rpm)';
  if (unknown !== undefined)
    throw new UserError(`${option}: ${what} has no ${unknown}; there are ${[...needed, ...more].join(', ')}`);
  const missing = needed.find((name) => !figures.has(name));
  if (missing !== undefined)
    throw new UserError(`${option}: ${missing} is missing: ${what} needs ${needed.join(', ')}`);
  return isRotating ? rotating(figures) : flash(figures);
}

const sheet = (name: string, value: number): Constant => ({
  value,
  unit: unitOfConstant(name),
  provenance: 'data sheet',
  fitted: false,
  note: 'from the data sheet',
});

/** In the same proportion as on the drive that is known. */
const proportional = (name: string, value: number, of: string): Constant => ({
  value: unitOfConstant(name) === 'ns' ? Math.round(value) : Number(value.toPrecision(4)),
  unit: unitOfConstant(name),
  provenance: 'derived',
  fitted: false,
  note: `in proportion to ${of} as on the drive of ${PENTIUM4_2006.name}`,
});

/** The constants of a drive that is known, with a note that says so. */
const known = (profile: { readonly name: string; readonly disk: DiskSection }): Readonly<Record<string, Constant>> =>
  Object.fromEntries(
    Object.entries<Constant>(profile.disk.constants).map(([name, constant]) => [
      name,
      { ...constant, note: `from ${profile.name}: ${constant.note}` },
    ]),
  );

/** The constants that the sheet gives, by the name of the figure and what its unit is of ours. */
const given = (figures: Figures, names: readonly (readonly [figure: string, name: string, times: number])[]) =>
  Object.fromEntries(
    names.flatMap(([figure, name, times]) => {
      const value = figures.get(figure);
      return value === undefined ? [] : [[name, sheet(name, Number((value * times).toPrecision(12)))] as const];
    }),
  );

function rotating(figures: Figures): DiskSection {
  const base = PENTIUM4_2006.disk.constants as Readonly<Record<string, Constant>>;
  const ratio = (name: string, of: string): number => base[name]!.value / base[of]!.value;
  const [seekNs, rate] = [figures.get('seekMs')! * 1e6, figures.get('MBps')!];
  const cache = figures.get('cacheMiB');
  const half = cache === undefined ? 0 : Math.floor((cache * 2 ** 20) / 2);
  const split = (name: string, value: number): Constant => ({
    ...sheet(name, value),
    provenance: 'derived',
    note: 'half of the buffer is for reads, half for writes',
  });
  return {
    kind: 'disk',
    model: 'a drive with platters, from its data sheet',
    constants: {
      ...known(PENTIUM4_2006),
      innerMBps: proportional('innerMBps', rate * ratio('innerMBps', 'outerMBps'), 'the rate outside'),
      trackToTrackNs: proportional(
        'trackToTrackNs',
        seekNs * ratio('trackToTrackNs', 'averageSeekNs'),
        'the average seek',
      ),
      // An interface that is slower than the platters is not of this drive.
      ...(rate > base['busMBps']!.value && {
        busMBps: proportional('busMBps', rate * ratio('busMBps', 'outerMBps'), 'the rate outside'),
      }),
      fullStrokeNs: proportional('fullStrokeNs', seekNs * ratio('fullStrokeNs', 'averageSeekNs'), 'the average seek'),
      ...(cache !== undefined && {
        writeCacheBytes: split('writeCacheBytes', half),
        readAheadBytes: split('readAheadBytes', Math.floor(half / base['readSegments']!.value)),
      }),
      ...given(figures, [
        ['rpm', 'rpm', 1],
        ['seekMs', 'averageSeekNs', 1e6],
        ['MBps', 'outerMBps', 1],
        ['GB', 'capacityBytes', 1e9],
        ['innerMBps', 'innerMBps', 1],
        ['trackMs', 'trackToTrackNs', 1e6],
        ['strokeMs', 'fullStrokeNs', 1e6],
        ['busMBps', 'busMBps', 1],
        ['heads', 'heads', 1],
      ]),
    },
  } as unknown as DiskSection;
}

function flash(figures: Figures): DiskSection {
  return {
    kind: 'nvme',
    model: 'a flash drive, from its data sheet',
    constants: {
      ...known(SERVER_2026),
      ...given(figures, [
        ['readUs', 'readLatencyNs', 1000],
        ['writeUs', 'writeLatencyNs', 1000],
        ['readMBps', 'readMBps', 1],
        ['writeMBps', 'writeMBps', 1],
        ['commandUs', 'commandNs', 1000],
        ['channels', 'channels', 1],
        ['cacheMiB', 'writeCacheBytes', 2 ** 20],
      ]),
    },
  } as unknown as DiskSection;
}
