/**
 * The first sentences of a result: who wins, by what, and why. Each is derived from the figures,
 * and a reason is given only where the figures have one.
 */

import { counted, grouped } from '../base/index.ts';
import type { RebootResult, StrategyResult } from '../experiment/guest/result.ts';
import { significant } from './kit/figures.ts';
import { amountOf, firstAfterOverSecondAfter, runOf, throughput } from './measures.ts';

/** Two figures are alike when the better one is better by less than this share. */
const ALIKE = 0.02;

const AND = new Intl.ListFormat('en-GB', { type: 'conjunction' });

/** Names with commas and an `and`. */
export const named = (all: readonly { readonly name: string }[]): string => AND.format(all.map(({ name }) => name));

/** `lose` of several, `loses` of one. */
const verb = (all: readonly unknown[], stem: string): string => (all.length === 1 ? `${stem}s` : stem);

/** What differs, what was lost, and who reads fastest after the reboot. */
export function winner(result: RebootResult): string {
  return [...differs(result.strategies), ...losses(result), ...speeds(result)].join(' ');
}

/** What differs from the disk, which is said before everything else. */
export function differs(strategies: readonly { readonly verified: { readonly mismatches: number } }[]): string[] {
  const count = strategies.reduce((sum, { verified }) => sum + verified.mismatches, 0);
  const what = counted(count, 'page or read is', 'pages or reads are');
  return count === 0 ? [] : [`DIFFERS: ${what} not what is on the disk.`];
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
  const bySpeed = strategies.toSorted((a, b) => firstSpeed(b) - firstSpeed(a));
  const best = bySpeed[0]!;
  if (firstSpeed(best) === 0) return [];
  const winners = strategies.filter((one) => firstSpeed(one) >= firstSpeed(best) * (1 - ALIKE));
  const others = bySpeed.filter((one) => !winners.includes(one));
  const other = others.find(({ name }) => name === 'cold') ?? others.at(-1);
  const who = `${named(winners)} ${verb(winners, 'read')} files`;
  const after = `just after the ${crash ? 'crash' : 'reboot'}`;
  const rate = `${significant(firstSpeed(best))} MB/s`;
  const share = firstAfterOverSecondAfter(best);
  const cached = share === undefined ? '' : `${significant(share * 100)} % as fast as the second time`;
  const down = `the service is down for ${seconds(best.rebootNs)}`;
  if (other === undefined) {
    const alike = strategies.length === 1 ? '' : 'All alike: ';
    return [`${alike}${who} at ${rate} ${after}${cached && `, ${cached}`}; ${down} before it.`];
  }
  const gain =
    firstSpeed(other) === 0 ? 'faster than' : `${significant(firstSpeed(best) / firstSpeed(other))} × as fast as`;
  const against = `(${rate} against ${significant(firstSpeed(other))})`;
  return [
    `${who} ${gain} ${other.name} ${after} ${against}${cached && ` and ${cached}`}${reason(winners, other)}.`,
    `The first run takes ${seconds(firstNs(best))} instead of ${seconds(firstNs(other))}; ${down} before it.`,
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
