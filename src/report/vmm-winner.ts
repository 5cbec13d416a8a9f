/**
 * The first sentences of reboots of the hypervisor: whose service is away for the shortest time,
 * against whose, and why. They are about the machine that was asked for.
 */

import { counted } from '../base/counted.ts';
import type { VmmExperimentResult, VmmMeasurement, VmmStrategyResult } from '../experiment/vmm/result.ts';
import { significant } from './kit/figures.ts';
import { machineName, secondsOf } from './vmm-measures.ts';
import { differs, named } from './winner.ts';

/** Two downtimes are alike when the longer one is longer by less than this share. */
const ALIKE = 0.02;

/** What differs, and who wins. */
export function vmmWinner({ machines }: VmmExperimentResult): string {
  const all = machines.flatMap(({ strategies }) => strategies);
  return [...differs(all), ...downtimes(machines[0]!)].join(' ');
}

function downtimes(asked: VmmMeasurement): string[] {
  const ranked = asked.strategies.toSorted((a, b) => downOf(a) - downOf(b));
  const best = ranked[0]!;
  const worst = ranked.at(-1)!;
  const where = `under ${machineName(asked)}`;
  const winners = ranked.filter((one) => downOf(one) <= downOf(best) * (1 + ALIKE));
  const names = named(winners.map(({ strategy }) => ({ name: strategy })));
  if (winners.length === ranked.length) {
    const alike = winners.length === 1 ? names : `All alike, ${names}`;
    return [`${alike}: the service ${where} is down for ${said(best)}${reason(best)}.`];
  }
  const have = winners.length === 1 ? 'has' : 'have';
  const times = downOf(best) === 0 ? '' : `, ${significant(downOf(worst) / downOf(best))} × as long`;
  const alone = ranked.find(({ networkBytes }) => networkBytes === 0);
  return [
    `${names} ${have} the shortest downtime ${where}: ${said(best)}${reason(best)}.`,
    `${worst.strategy} is down for ${said(worst)}${times}.`,
    ...(best.networkBytes > 0 && alone !== undefined
      ? [`Without a second machine ${alone.strategy} is the shortest: ${said(alone)}${reason(alone)}.`]
      : []),
  ];
}

const downOf = (strategy: VmmStrategyResult): number => secondsOf(strategy, 'downtime');
const said = (strategy: VmmStrategyResult): string => `${significant(downOf(strategy))} s`;

/** Why, as far as what was moved and what became of the guests say it. */
function reason({ guests, diskBytes, networkBytes }: VmmStrategyResult): string {
  if (guests.every(({ outcome }) => outcome === 'continued')) {
    if (networkBytes > 0)
      return `, since its guests run on a second machine meanwhile (${megabytes(networkBytes)} over the network)`;
    if (diskBytes.written > 0)
      return `, with its guests written to the disk and read back (${megabytes(diskBytes.written)})`;
    return ', since its guests stay in memory and go on: nothing of them is written to the disk';
  }
  const booted = guests.filter(({ outcome }) => outcome === 'booted').length;
  return booted === 0 ? '' : `, with ${counted(booted, 'guest')} booted again`;
}

const megabytes = (bytes: number): string => `${significant(bytes / 1e6)} MB`;
