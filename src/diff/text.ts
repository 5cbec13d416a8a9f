/**
 * A comparison as plain text for a terminal, and as the object of `--json`. The text has the inputs
 * that differ, a table of figures for each thing, and a last line that counts.
 */

import { counted, grouped, printable } from '../base/index.ts';
import { NO_FIGURE, renderSections, significant, wrapList } from '../report/index.ts';
import type { Change, Comparison, Lone, Part } from './compare.ts';
import { isScalar, type Scalar } from '../base/json.ts';
import type { Unit } from './results.ts';
import type { DiffResult } from './result.ts';

/** Columns of a path, and of a value that is a text. */
const LABEL_MAX = 40;
const TEXT_MAX = 20;
/** Columns of a title, which is the path of a thing. */
const TITLE_MAX = 100;
/** Figures from here on have an exponent. */
const LARGE = 1e12;

/** Scales of a unit, the smallest first. */
const SCALES: Readonly<Record<Unit, readonly (readonly [name: string, size: number])[]>> = {
  ns: [
    [' ns', 1],
    [' µs', 1e3],
    [' ms', 1e6],
    [' s', 1e9],
  ],
  s: [[' s', 1]],
  bytes: [
    [' B', 1],
    [' kB', 1e3],
    [' MB', 1e6],
    [' GB', 1e9],
  ],
  pages: [['', 1]],
  number: [['', 1]],
};

/**
 * The whole text, ended by a newline.
 * @param names of the two files
 */
export function renderComparison(comparison: Comparison, names: readonly [a: string, b: string]): string {
  const { inputs, figures, schema, tolerance, only } = comparison;
  const limits = [
    ...(tolerance === 0 ? [] : [`differences of at most ${tolerance} % are not listed`]),
    ...(only === '' ? [] : [`only figures whose path contains ${cut(JSON.stringify(only), LABEL_MAX)}`]),
  ];
  return [
    `A: ${printable(names[0])}`,
    `B: ${printable(names[1])}`,
    [schema, ...limits].join('; '),
    '',
    ...tables('Which inputs differ?', inputs, ['A', 'B']),
    ...tables('Which figures differ?', figures, ['A', 'B', 'B − A', 'change']),
    ...verdict(comparison),
    '',
  ].join('\n');
}

/** A table for each section; nothing when nothing differs. */
function tables(question: string, part: Part, heads: readonly string[]): string[] {
  const sections = [...rowsOf(part)].map(([section, rows], index) => ({
    title: [...(index === 0 ? [question] : []), ...(section === '' ? [] : [cut(section, TITLE_MAX)])].join('\n'),
    rows: rows.map((row) => row.slice(0, 1 + heads.length)),
  }));
  return sections.length === 0 ? [] : renderSections(heads, sections);
}

/** The rows of each section, in order. Samples are counted, a row for each list of them. */
function rowsOf({ changed, onlyInA, onlyInB }: Part): Map<string, string[][]> {
  // What belongs to no section comes first, without a title.
  const sections = new Map<string, string[][]>([['', []]]);
  const samples = new Map<string, { section: string; label: string; changed: number; a: number; b: number }>();
  const add = (section: string, row: string[]): void => {
    const rows = sections.get(section);
    if (rows === undefined) sections.set(section, [row]);
    else rows.push(row);
  };
  const note = ({ place }: Change | Lone, what: 'changed' | 'a' | 'b', figures: number): boolean => {
    if (place.samples === undefined) return false;
    const label = place.samples.slice(place.section === '' ? 0 : place.section.length + 1);
    const sum = samples.get(place.samples) ?? { section: place.section, label, changed: 0, a: 0, b: 0 };
    sum[what] += figures;
    samples.set(place.samples, sum);
    return true;
  };
  for (const change of changed) if (!note(change, 'changed', 1)) add(sectionOf(change), rowOf(change));
  for (const lone of onlyInA)
    if (!note(lone, 'a', lone.figures)) add(sectionOf(lone), [labelOf(lone), loneText(lone), NO_FIGURE, '', '']);
  for (const lone of onlyInB)
    if (!note(lone, 'b', lone.figures)) add(sectionOf(lone), [labelOf(lone), NO_FIGURE, loneText(lone), '', '']);
  for (const { section, label, ...sum } of samples.values())
    add(section, [
      cut(label, LABEL_MAX),
      sum.a === 0 ? '' : `${grouped(sum.a)} more`,
      sum.b === 0 ? '' : `${grouped(sum.b)} more`,
      `${grouped(sum.changed)} differ`,
      '',
    ]);
  if (sections.get('')!.length === 0) sections.delete('');
  return sections;
}

/** A thing that only one result has is no section: it is a row. */
const sectionOf = ({ place }: Change | Lone): string => (place.label === '' ? '' : place.section);

const labelOf = ({ place }: Change | Lone): string => cut(place.label === '' ? place.path : place.label, LABEL_MAX);

function rowOf(change: Change): string[] {
  const { a, b, unit, difference, percent } = change;
  if (unit === null || difference === null) return [labelOf(change), valueText(a), valueText(b), '', ''];
  const [inA, inB] = [a as number, b as number];
  const scale = scaleOf(unit, Math.max(Math.abs(inA), Math.abs(inB)));
  return [
    labelOf(change),
    inScale(inA, scale),
    inScale(inB, scale),
    signed(difference, inScale(Math.abs(difference), scaleOf(unit, Math.abs(difference)))),
    percent === null ? NO_FIGURE : signed(percent, `${digits(Math.abs(percent))} %`),
  ];
}

function loneText({ value, unit, figures }: Lone): string {
  if (!isScalar(value)) return counted(figures, 'figure');
  return typeof value === 'number' ? inScale(value, scaleOf(unit, Math.abs(value))) : valueText(value);
}

const scaleOf = (unit: Unit, size: number): readonly [name: string, size: number] =>
  SCALES[unit].findLast(([, least]) => size >= least) ?? SCALES[unit][0]!;

const inScale = (value: number, [name, size]: readonly [name: string, size: number]): string =>
  `${size === 1 && Number.isInteger(value) && Math.abs(value) < LARGE ? grouped(value) : digits(value / size)}${name}`;

const digits = (value: number): string => (Math.abs(value) < LARGE ? significant(value) : value.toExponential(2));

const signed = (value: number, size: string): string => `${value < 0 ? '−' : '+'}${size}`;

const valueText = (value: Scalar): string =>
  cut(typeof value === 'string' && /^[!-~]+$/.test(value) ? value : JSON.stringify(value), TEXT_MAX);

/** One line of at most so many characters: of what is longer the beginning and the end. */
function cut(text: string, most: number): string {
  const shown = printable(text);
  const half = Math.floor((most - 1) / 2);
  return shown.length <= most ? shown : `${shown.slice(0, half)}…${shown.slice(-half)}`;
}

/** What is counted, from one line on. */
function verdict({ inputs, figures, digests, differs, tolerance }: Comparison): string[] {
  const within = figures.within === 0 ? '' : `, ${grouped(figures.within)} of them within ${tolerance} %`;
  const { a, b } = digests;
  const shown = (digest: string | null): string => (digest === null ? NO_FIGURE : cut(digest, TEXT_MAX));
  const digest = a === b ? (a === null ? 'no digest' : `digest ${shown(a)}`) : `digests ${shown(a)} and ${shown(b)}`;
  const both = `${counted(inputs.compared, 'input')} and ${counted(figures.compared, 'figure')} compared${within}`;
  if (!differs) return wrapList('same: ', [both, digest], '; ');
  const lone = (of: 'onlyInA' | 'onlyInB', name: string): string[] => {
    const sum = [...inputs[of], ...figures[of]].reduce((total, { figures: each }) => total + each, 0);
    return inputs[of].length + figures[of].length === 0 ? [] : [`${grouped(sum)} only in ${name}`];
  };
  const changed = `${counted(inputs.changed.length, 'input')} and ${counted(figures.changed.length, 'figure')}`;
  return wrapList('different: ', [changed, ...lone('onlyInA', 'A'), ...lone('onlyInB', 'B'), both, digest], '; ');
}

/** What `--json` prints: docs/reference/diff-schema.md. */
export function diffResult({ schema, differs, tolerance, only, digests, inputs, figures }: Comparison): DiffResult {
  const lones = (found: readonly Lone[]) =>
    found.map(({ place, figures: each }) => ({ path: place.path, figures: each }));
  const part = ({ changed, onlyInA, onlyInB, ...counts }: Part): DiffResult['inputs'] => ({
    ...counts,
    changed: changed.map(({ place, ...change }) => ({ path: place.path, ...change })),
    onlyInA: lones(onlyInA),
    onlyInB: lones(onlyInB),
  });
  return {
    schema: 'stillwarm/diff@1',
    ...{ of: schema, differs, tolerance, only, digests },
    inputs: part(inputs),
    figures: part(figures),
  };
}
