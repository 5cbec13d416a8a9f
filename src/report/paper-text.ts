/** The paper's figures beside ours as plain text for a terminal, within 100 columns. */

import Table from 'cli-table3';
import { grouped } from '../base/counted.ts';
import type { PaperOutcome } from '../experiment/paper/paper.ts';
import type { PaperFigureResult, PaperSwing } from '../experiment/paper/result.ts';
import { CURVE_NOTE, curveHeads, curveSection } from './curve.ts';
import { significant } from './kit/figures.ts';
import {
  CELL_HEADS,
  cellsOf,
  paperParameters,
  paperVerification,
  reasonsOf,
  resonanceOf,
  studyOf,
  summaryOf,
  withUnit,
} from './paper-measures.ts';
import { wrapList } from './tables.ts';

/** Characters of a bar from end to end. */
const BAR = 30;

/**
 * The whole text, ended by a newline.
 * @param colour whether the terminal understands escape sequences
 */
export function renderPaperText({ result, mismatches }: PaperOutcome, colour: boolean): string {
  const { line, allEqual } = paperVerification(result);
  const { figures, rates, fitted } = result;
  return [
    ...paragraph(summaryOf(result)),
    ...wrapList('', paperParameters(result), '; '),
    ...wrapList('fitted to the paper: ', fitted, ', '),
    '',
    figuresTable(figures),
    '',
    ...reasonsOf(result).flatMap(({ reason, names }) => [...wrapList('', names, '; '), ...paragraph(reason, '    ')]),
    '',
    ...paragraph(studyOf(result)),
    '',
    ...figures.flatMap(tornado),
    ...paragraph(resonanceOf(result)),
    table(['MB/s', ...rates.map(({ mbps }) => `${mbps}`)], [['%', ...rates.map(({ percent }) => percent.toFixed(0))]]),
    '',
    ...curve(result),
    '',
    colour ? `\u001b[${allEqual ? 32 : 31}m${line}\u001b[0m` : line,
    ...mismatches.map((what) => `mismatch: ${what}`),
    '',
  ].join('\n');
}

/**
 * The figures, each group below its name, `warm-vm, 1 of 1 GiB`. Names in one piece, the longest
 * head and the longest status would make the table too wide.
 */
function figuresTable(figures: readonly PaperFigureResult[]): string {
  const rows = figures.flatMap((figure, n): Cells[] => {
    const [group, name] = partsOf(figure.name);
    const cells = cellsOf(figure).map((cell) => cell.replace('not comp', 'not\ncomp'));
    const isFirst = n === 0 || partsOf(figures[n - 1]!.name)[0] !== group;
    return [...(isFirst ? [[{ content: group, colSpan: 1 + cells.length }]] : []), [`  ${name}`, ...cells]];
  });
  return table(['', ...CELL_HEADS.map((head) => head.replace('one ', 'one\n'))], rows);
}

/** What stands before the colon of `warm-vm, 1 of 1 GiB: suspend`, and what behind it. */
function partsOf(name: string): readonly [group: string, rest: string] {
  const colon = name.indexOf(': ');
  return [name.slice(0, colon), name.slice(colon + 2)];
}

type Cells = readonly (string | { readonly content: string; readonly colSpan: number })[];

/** The file read by the size of domain 0's cache. */
function curve({ domain0Curve }: PaperOutcome['result']): string[] {
  const { question, rows } = curveSection(domain0Curve);
  return [
    ...paragraph(`${question}.`),
    table(
      ['', ...curveHeads(domain0Curve)],
      rows.map(({ label, values }) => [label, ...values]),
    ),
    ...paragraph(CURVE_NOTE),
  ];
}

const paragraph = (text: string, indent = ''): string[] => wrapList(indent, text.split(' '), ' ');

function table(head: readonly string[], rows: readonly Cells[]): string {
  const drawn = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString();
}

/** What the constants do that move a figure most, the widest bar first. */
function tornado({ name, unit, ours, range }: PaperFigureResult): string[] {
  if (range === null || ours === null || range.swings.length === 0) return [];
  const ends = range.swings.flatMap(({ atLow, atHigh }) => [atLow, atHigh, ours]);
  const [from, to] = [Math.min(...ends), Math.max(...ends)];
  const place = (value: number): number => (to === from ? 0 : Math.round(((value - from) / (to - from)) * (BAR - 1)));
  const bar = ({ atLow, atHigh }: PaperSwing): string => {
    const [low, high] = [place(Math.min(atLow, atHigh, ours)), place(Math.max(atLow, atHigh, ours))];
    return Array.from({ length: BAR }, (_, at) =>
      at === place(ours) ? '│' : at >= low && at <= high ? '█' : ' ',
    ).join('');
  };
  const rows = range.swings.map((swing) => [
    swing.constant,
    `${grouped(swing.low)} – ${grouped(swing.high)}`,
    significant(swing.atLow),
    significant(swing.atHigh),
    bar(swing),
  ]);
  return [`${name}: ${withUnit(ours, unit)}`, table(['', 'range', 'at low', 'at high', ''], rows), ''];
}
