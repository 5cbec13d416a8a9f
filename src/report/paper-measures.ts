/**
 * What `stillwarm paper` found, in words and cells, for the printed text and the page alike.
 */

import { counted } from '../base/counted.ts';
import type { PaperFigureResult, PaperResult } from '../experiment/paper/result.ts';
import { NEAR_PERCENT } from '../slides/figures.ts';
import { significant } from './kit/figures.ts';
import { type Verdict, verdictOf } from './measures.ts';
import { differing } from './vmm-measures.ts';

/** What a figure is followed by. */
const suffix = (unit: PaperFigureResult['unit']): string => ` ${unit}`;

/** 20.3 s, 6.62 ×. */
export const withUnit = (value: number, unit: PaperFigureResult['unit']): string =>
  `${significant(value)}${suffix(unit)}`;

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)} %`;

/** 18.3–24.1. */
export const spanText = ({ low, high }: { readonly low: number; readonly high: number }): string =>
  `${significant(low)}–${significant(high)}`;

/** The cells of a figure: slide, ours, off by, range with one constant moved, with all, status. */
export function cellsOf({ unit, slide, ours, percentOff, range, status }: PaperFigureResult): string[] {
  return [
    `${slide}${suffix(unit)}`,
    ours === null ? '' : withUnit(ours, unit),
    percentOff === null ? '' : signed(percentOff),
    range === null ? '' : spanText(range.alone),
    range === null ? '' : spanText(range.together),
    status,
  ];
}

export const CELL_HEADS = ['slide', 'ours', 'off by', 'one constant\nmoved', 'all\nmoved', 'status'] as const;

/** How many figures there are of each status, and how many predicted ones are near. */
export function summaryOf({ figures }: PaperResult): string {
  const of = (status: PaperFigureResult['status']): number => figures.filter((each) => each.status === status).length;
  const near = figures.filter(
    ({ status, percentOff }) => status === 'predicted' && percentOff !== null && Math.abs(percentOff) <= NEAR_PERCENT,
  ).length;
  const others = (['not comparable', 'not run'] as const).flatMap((status) =>
    of(status) === 0 ? [] : [`${of(status)} ${status}`],
  );
  const parts = [
    `${of('fitted')} fitted`,
    `${of('predicted')} predicted (${near} within ${NEAR_PERCENT} %)`,
    ...others,
  ];
  return `The slides print ${counted(figures.length, 'figure')} of reboots: ${parts.join(', ')}.`;
}

/** The figures that say why, by what they say. Those that were fitted are the others. */
export function reasonsOf({ figures }: PaperResult): { readonly reason: string; readonly names: readonly string[] }[] {
  const reasons = new Map<string, string[]>();
  for (const { name, reason, status } of figures) {
    if (status === 'fitted') continue;
    const names = reasons.get(reason) ?? [];
    names.push(name);
    reasons.set(reason, names);
  }
  return [...reasons].map(([reason, names]) => ({ reason, names }));
}

/** How the ranges were found, or why there are none. */
export function studyOf({ study }: PaperResult): string {
  if (study === null)
    return 'No ranges: none that are written down are of these figures. `stillwarm paper --ranges FILE` finds them.';
  const { constants, samples, thresholdPercent, points, seed } = study;
  return `The ranges are those of ${counted(constants, 'constant')} within their own: each alone, and all at once in ${counted(samples, 'run')} by seed ${seed}. Constants that move no time of a run by ${thresholdPercent} % were left as they are, one at a time. \`stillwarm paper --ranges FILE\` did ${counted(points, 'run')} for it.`;
}

/** What the media rate of the drive does to the file read. */
export function resonanceOf({ rates }: PaperResult): string {
  const percents = rates.map(({ percent }) => percent);
  const [first, last] = [rates[0]!.mbps, rates.at(-1)!.mbps];
  return `The share of the second run is a resonance of the drive's media rate and the distance of the blocks that are read. From ${first} to ${last} MB/s it lies between ${significant(Math.min(...percents))} and ${significant(Math.max(...percents))} %.`;
}

export const paperVerification = ({ verified }: PaperResult): Verdict => verdictOf([verified], differing);

export function paperParameters({ profile, arch, seed, digest }: PaperResult): [name: string, value: string][] {
  return [
    ['profile', profile],
    ['architecture', arch],
    ['seed', `${seed}`],
    ['digest', digest],
  ];
}
