/**
 * What a reboot of the hypervisor came to, as grids of figures for the printed text and the HTML
 * page alike. A row is a strategy, a column a measure or a machine. Beside a figure stands that of
 * the slides, if they have one, and whether the model was fitted to it. Every other figure is
 * predicted.
 */

import { counted, grouped } from '../base/counted.ts';
import { vmmFigure, type VmmFigure, type VmmMeasure } from '../slides/figures.ts';
import type { VmmExperimentResult, VmmMeasurement, VmmReading, VmmStrategyResult } from '../experiment/vmm/result.ts';
import { NEGATIVE_SAVING, readsNothing, settings, sizeOf, type Verdict, verdictOf } from './measures.ts';
import { NO_FIGURE, significant } from './kit/figures.ts';
import type { Cell, Grid } from './kit/grids.ts';

/** Machines of which one thing differs. */
export interface Series {
  readonly title: string;
  readonly axis: string;
  readonly points: readonly { readonly label: string; readonly at: number; readonly machine: VmmMeasurement }[];
}

const MIB = 1 << 20;

type Guest = VmmStrategyResult['guests'][number];

/** The measures that the slides have: what is measured in each, in words. */
export const MEASURES: Readonly<Record<VmmMeasure, { readonly title: string; readonly head: string }>> = {
  stop: { title: 'Suspending, saving or shutting down', head: 'suspend, save,\nshut down, s' },
  start: { title: 'Resuming, restoring or booting', head: 'resume, restore,\nboot, s' },
  downtime: { title: 'Service downtime, the longest of the guests', head: 'service\ndown, s' },
};

/** 1 guest of 1 GiB, 6 guests of 256 MiB. */
export const machineName = ({ vms, memory }: Pick<VmmMeasurement, 'vms' | 'memory'>): string =>
  `${counted(vms, 'guest')} of ${sizeOf(memory)}`;

/** A measure, seconds. */
export function secondsOf(result: VmmStrategyResult, measure: VmmMeasure): number {
  const ns = {
    stop: result.stopNs,
    start: result.startNs,
    downtime: Math.max(0, ...result.guests.map(({ downtimeNs }) => downtimeNs)),
  };
  return ns[measure] / 1e9;
}

/** What the slides say of it; undefined when they do not, or when the machine is not theirs. */
export function slideOf(
  { profile, arch, disk }: Pick<VmmExperimentResult, 'profile' | 'arch' | 'disk'>,
  { vms, memory }: VmmMeasurement,
  { strategy }: VmmStrategyResult,
  measure: VmmMeasure,
): VmmFigure | undefined {
  const isTheirs = profile === 'pentium4-2006' && arch === 'x86_32' && disk !== 'nvme' && disk !== 'instant';
  return isTheirs ? vmmFigure(vms, memory, strategy, measure) : undefined;
}

/**
 * The series that were measured: one guest of several sizes; several numbers of guests of one size.
 */
export function seriesOf({ machines }: VmmExperimentResult): Series[] {
  const ofSize = (memory: number): VmmMeasurement[] => machines.filter((machine) => machine.memory === memory);
  const { memory } = machines.reduce((a, b) => (ofSize(b.memory).length > ofSize(a.memory).length ? b : a));
  const all: Series[] = [
    {
      title: 'by memory of one guest',
      axis: 'memory of one guest, MiB',
      points: machines
        .filter(({ vms }) => vms === 1)
        .map((machine) => ({ label: sizeOf(machine.memory), at: machine.memory / MIB, machine })),
    },
    {
      title: `by number of guests of ${sizeOf(memory)}`,
      axis: `guests of ${sizeOf(memory)}`,
      points: ofSize(memory).map((machine) => ({ label: `${machine.vms}`, at: machine.vms, machine })),
    },
  ];
  return all
    .map((series) => ({ ...series, points: series.points.toSorted((a, b) => a.at - b.at) }))
    .filter(({ points }) => points.length > 1);
}

/** All grids: those of the machine that was asked for, then those of the series. */
export function grids(result: VmmExperimentResult): Grid[] {
  const asked = result.machines[0]!;
  const measures = Object.keys(MEASURES) as VmmMeasure[];
  const inSeries = seriesOf(result).flatMap(({ title, points }) =>
    measures.map(
      (measure): Grid => ({
        question: `${MEASURES[measure].title}, s, ${title}`,
        heads: points.map(({ label }) => label),
        rows: asked.strategies.map(({ strategy }, n) => ({
          label: strategy,
          cells: points.map(({ machine }) => timeCell(result, machine, machine.strategies[n]!, measure)),
        })),
      }),
    ),
  );
  return [...gridsOf(result, asked), ...inSeries];
}

function gridsOf(result: VmmExperimentResult, machine: VmmMeasurement): Grid[] {
  const { strategies } = machine;
  const grid = (
    question: string,
    columns: readonly (readonly [head: string, cell: (strategy: VmmStrategyResult) => Cell | string])[],
  ): Grid => ({
    question,
    heads: columns.map(([head]) => head),
    rows: strategies.map((strategy) => ({
      label: strategy.strategy,
      cells: columns.map(([, cell]) => asCell(cell(strategy))),
    })),
  });
  const time =
    (measure: VmmMeasure) =>
    (strategy: VmmStrategyResult): Cell =>
      timeCell(result, machine, strategy, measure);
  const count =
    (outcome: Guest['outcome']) =>
    ({ guests }: VmmStrategyResult): string =>
      `${guests.filter((guest) => guest.outcome === outcome).length}`;
  return [
    grid(`How long does a reboot of the hypervisor take under ${machineName(machine)}?`, [
      [MEASURES.stop.head, time('stop')],
      [MEASURES.start.head, time('start')],
      ['whole\nreboot, s', ({ totalNs }) => significant(totalNs / 1e9)],
      [MEASURES.downtime.head, time('downtime')],
    ]),
    grid(`How long does a guest boot, the longest of them?${readsNothing(firstBoots(strategies))}`, [
      ['first\nboot, s', ({ guests }) => seconds(longestBoots(guests)?.before)],
      ['boot in the\nreboot, s', ({ guests }) => seconds(longestBoots(guests)?.after)],
      ['saved\ns', ({ guests }) => seconds(savedNs(guests))],
      ['pages read\nby it', ({ guests }) => sum(guests, ({ boots }) => boots.after?.pagesRead ?? 0)],
      ['pages\nreused', ({ guests }) => sum(guests, ({ boots }) => boots.after?.pagesReused ?? 0)],
    ]),
    grid('What do the clients of their web servers see?', [
      ['requests\nanswered', ({ guests }) => sum(guests, ({ requests }) => requests.answered)],
      ['requests not\nanswered', ({ guests }) => sum(guests, ({ requests }) => requests.failed)],
      ['connections\nkept', ({ guests }) => kept(guests, ({ keptConnection }) => keptConnection)],
      ['sessions\nkept', ({ guests }) => kept(guests, ({ keptSession }) => keptSession)],
    ]),
    grid('What becomes of the guests, and how fast are their files read again?', [
      ['go on', count('continued')],
      ['boot', count('booted')],
      ['are lost', count('lost')],
      ['first time\nMB/s', ({ reads }) => speed(reads.first)],
      ['cached\nMB/s', ({ reads }) => speed(reads.cached)],
      ['after\nMB/s', ({ reads }) => speed(reads.after)],
    ]),
    grid('How much memory of the guests does domain 0 move? (What guests read and write is not in it.)', [
      ['to the\ndisk, MB', ({ diskBytes }) => megabytes(diskBytes.written)],
      ['from the\ndisk, MB', ({ diskBytes }) => megabytes(diskBytes.read)],
      ['over the\nnetwork, MB', ({ networkBytes }) => megabytes(networkBytes)],
    ]),
  ];
}

type Boots = Guest['boots'];

const firstBoots = (strategies: readonly VmmStrategyResult[]): Boots['before'][] =>
  strategies.flatMap(({ guests }) => guests.map(({ boots }) => boots.before));

/** The longest boot of each kind, of the guests that were booted; undefined when there are none. */
function longestBoots(guests: readonly Guest[]): { readonly before: number; readonly after: number } | undefined {
  const pairs = guests.flatMap(({ boots: { before, after } }) => (after === null ? [] : [[before.ns, after.ns]]));
  if (pairs.length === 0) return undefined;
  return {
    before: Math.max(...pairs.map(([before]) => before!)),
    after: Math.max(...pairs.map(([, after]) => after!)),
  };
}

function savedNs(guests: readonly Guest[]): number | undefined {
  const boots = longestBoots(guests);
  return boots && boots.before - boots.after;
}

const seconds = (ns: number | undefined): string => (ns === undefined ? NO_FIGURE : significant(ns / 1e9));

const sum = (guests: readonly Guest[], of: (guest: Guest) => number): string =>
  grouped(guests.reduce((total, guest) => total + of(guest), 0));

const kept = (guests: readonly Guest[], isKept: (guest: Guest) => boolean): string =>
  `${guests.filter(isKept).length} of ${guests.length}`;

/** Why guests do not go on that should, a line each. */
export function reasonsOf({ machines }: VmmExperimentResult): string[] {
  return machines.flatMap((machine) =>
    machine.strategies.flatMap(({ strategy, guests }) =>
      guests.flatMap(({ name, reason }) =>
        reason === undefined ? [] : [`${machineName(machine)}, ${strategy}: ${name} does not go on: ${reason}`],
      ),
    ),
  );
}

/** What is said of so many differences. */
export const differing = (count: number): string => counted(count, 'DIFFERS', 'DIFFER');

export const verificationOf = ({ machines }: VmmExperimentResult): Verdict =>
  verdictOf(
    machines.flatMap(({ strategies }) => strategies.map(({ verified }) => verified)),
    differing,
  );

/** What was run, as pairs of a parameter and its value. */
export function parametersOf(result: VmmExperimentResult): [name: string, value: string][] {
  const { profile, arch, disk, seed, digest, files, bytes, limit } = result;
  return [
    ['profile', profile],
    ...settings(result),
    ['architecture', arch],
    ['disk', disk],
    ...(result.backend === 'file' ? [["guests' disks", "files behind domain 0's page cache"] as [string, string]] : []),
    ['files of each guest', `${grouped(files)}, ${megabytes(bytes)} MB`],
    ['read in one run, at most', `${megabytes(limit)} MB`],
    ['seed', `${seed}`],
    ['digest', digest],
  ];
}

function timeCell(
  result: VmmExperimentResult,
  machine: VmmMeasurement,
  strategy: VmmStrategyResult,
  measure: VmmMeasure,
): Cell {
  const value = significant(secondsOf(strategy, measure));
  const slide = slideOf(result, machine, strategy, measure);
  if (slide === undefined) return { value };
  return { value, note: `slide ${slide.value}, ${slide.status}` };
}

const asCell = (cell: Cell | string): Cell => (typeof cell === 'string' ? { value: cell } : cell);
const speed = ({ bytes, ns }: VmmReading): string => (ns === 0 ? NO_FIGURE : significant((bytes * 1000) / ns));
const megabytes = (bytes: number): string => (bytes === 0 ? '0' : significant(bytes / 1e6));

/** Whether a figure of the slides stands beside one of ours. */
const hasSlides = (result: VmmExperimentResult): boolean =>
  grids(result).some(({ rows }) => rows.some(({ cells }) => cells.some(({ note }) => note !== undefined)));

/** What is said of the figures, a sentence each. */
export function notesOf(result: VmmExperimentResult): string[] {
  const saved = result.machines[0]!.strategies.map(({ guests }) => savedNs(guests) ?? 0);
  return [...(hasSlides(result) ? [OF_THE_SLIDES] : []), ...(saved.some((ns) => ns < 0) ? [NEGATIVE_SAVING] : [])];
}

const OF_THE_SLIDES =
  "Below a figure is the slides' figure, and whether the model was fitted to it. Figures without one are predicted.";
