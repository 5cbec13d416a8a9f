/**
 * The first sentences of a result: who wins, by what, and why. Each is derived from the figures,
 * and a reason is given only where the figures have one.
 */

import { counted, grouped } from '../base/index.ts';
import type { RebootResult, StrategyResult } from '../experiment/guest/result.ts';
import { significant } from './kit/figures.ts';
import { amountOf, runOf, throughput } from './measures.ts';

/** Two figures are alike when the better one is better by less than this share. */
const ALIKE = 0.02;

const AND = new Intl.ListFormat('en-GB', { type: 'conjunction' });

/** Names with commas and an `and`. */
export const named = (all: readonly { readonly name: string }[]): string => AND.format(all.map(({ name }) => name));

/** `lose` of several, `loses` of one. */
const verb = (all: readonly unknown[], stem: string): string => (all.length === 1 ? `${stem}s` : stem);

/** What differs, what was lost, and who reads fastest after the reboot. */
export function winner(result: RebootResult): string {
  const differing = result.strategies.reduce((sum, { verified }) => sum + verified.mismatches, 0);
  const differs =
    differing === 0
      ? []
      : [
          `DIFFERS: ${counted(differing, 'page or read', 'pages or reads')} of this run ${differing === 1 ? 'is' : 'are'} not what is on the disk.`,
        ];
  return [...differs, ...losses(result), ...speeds(result)].join(' ');
}

/** Who loses what was written; nothing when nothing was written. */
function losses({ strategies }: RebootResult): string[] {
  const writing = strategies.filter(({ writes }) => writes.bytes > 0);
  if (writing.length === 0) return [];
  const written = amountOf(Math.max(...writing.map(({ writes }) => writes.bytes)));
  const safe = writing.filter(({ writes }) => writes.bytesLost === 0);
  const losing = writing.filter(({ writes }) => writes.bytesLost > 0);
  const kept = `${named(safe)} ${verb(safe, 'lose')} nothing of the ${written} that the guest had written`;
  if (losing.length === 0) return [`${kept}.`];
  const amounts = losing.map(({ writes }) => writes.bytesLost);
  const [least, most] = [amountOf(Math.min(...amounts)), amountOf(Math.max(...amounts))];
  const lost = `${named(losing)} ${verb(losing, 'lose')} ${least === most ? least : `${least} to ${most}`}`;
  const why = 'since that was not on the disk yet';
  return [
    safe.length === 0 ? `${lost} of ${written} that the guest had written, ${why}.` : `${kept}; ${lost}, ${why}.`,
  ];
}

/** Who reads fastest just after the reboot, against whom, and how long both take. */
function speeds({ strategies, crash }: RebootResult): string[] {
  const after = `just after the ${crash ? 'crash' : 'reboot'}`;
  const bySpeed = strategies.toSorted((a, b) => firstSpeed(b) - firstSpeed(a));
  const best = bySpeed[0]!;
  if (firstSpeed(best) === 0) return [];
  const other = strategies.find(({ name }) => name === 'cold') ?? bySpeed.at(-1)!;
  const winners = bySpeed.filter((one) => firstSpeed(one) >= firstSpeed(best) * (1 - ALIKE));
  const down = `the service is down for ${seconds(best.rebootNs)}`;
  if (winners.length === strategies.length) {
    const share = firstSpeed(best) / throughput(runOf(best, 'after', 2));
    const alike =
      winners.length === 1 ? best.name : `${winners.length === 2 ? 'Both' : 'All'} alike: ${named(winners)}`;
    const rate = Number.isFinite(share) ? `, ${significant(share * 100)} % of the rate of the second run` : '';
    return [
      `${alike} ${verb(winners, 'read')} files at ${significant(firstSpeed(best))} MB/s ${after}${rate}; ${down}.`,
    ];
  }
  const rates = `${significant(firstSpeed(best))} MB/s against ${significant(firstSpeed(other))}`;
  const gain = firstSpeed(other) === 0 ? '' : `${significant(firstSpeed(best) / firstSpeed(other))} × `;
  const who = `${named(winners)} ${verb(winners, 'read')} files ${gain === '' ? 'faster than' : `${gain}as fast as`} ${other.name}`;
  return [
    `${who} ${after} (${rates})${reason(winners, other)}.`,
    `Reading all of them once takes ${seconds(firstNs(best))} instead of ${seconds(firstNs(other))}; ${down} before it.`,
  ];
}

const firstNs = (strategy: StrategyResult): number => runOf(strategy, 'after', 1)?.ns ?? 0;
const firstSpeed = (strategy: StrategyResult): number => throughput(runOf(strategy, 'after', 1));
const seconds = (ns: number): string => `${significant(ns / 1e9)} s`;

/** Why some read faster than another, as far as the pages that each reads again say it. */
function reason(winners: readonly StrategyResult[], other: StrategyResult): string {
  const best = winners[0]!;
  const [mine, theirs] = [best.pages.readAgain, other.pages.readAgain];
  const reads = winners.length === 1 ? 'it reads' : 'they read';
  if (mine === 0 && theirs > 0) return `, since ${reads} nothing from the disk again`;
  if (mine < theirs * (1 - ALIKE))
    return `, since ${reads} ${grouped(mine)} pages from the disk again, not ${grouped(theirs)}`;
  if (best.name === 'prefetch') return ', since many pages are in its cache before they are asked for';
  return '';
}
