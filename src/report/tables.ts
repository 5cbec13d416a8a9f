/**
 * A result as plain text for a terminal: what was run, a table a question, and the line about
 * verification. For every page that differs from the disk, its whole history follows. Fits in 100
 * columns with up to four strategies; the only colour is that of the verdict.
 */

import Table from 'cli-table3';
import type { Mismatch, RebootResult } from '../experiment/guest/result.ts';
import { CURVE_NOTE, curveHeads, curveSection } from './curve.ts';
import { bootNotes, parameters, sections, verification } from './measures.ts';
import { fioSections } from './fio-measures.ts';
import { winner } from './winner.ts';

const COLUMNS = 100;

/**
 * The whole text, ended by a newline.
 * @param colour whether the terminal understands escape sequences
 */
export function renderText(result: RebootResult, mismatches: readonly Mismatch[], colour: boolean): string {
  const { line, allEqual } = verification(result);
  const isGood = allEqual && mismatches.length === 0;
  return [
    ...wrapList('', parameters(result), '; '),
    ...wrapList('fitted to the paper: ', result.fitted.length === 0 ? ['nothing'] : result.fitted, ', '),
    '',
    ...renderTables(result),
    ...bootNotes(result).flatMap((note) => [note, '']),
    ...renderCurve(result),
    ...wrapList('', winner(result).split(' '), ' '),
    '',
    colour ? `\u001b[${isGood ? 32 : 31}m${line}\u001b[0m` : line,
    ...renderMismatches(mismatches),
    '',
  ].join('\n');
}

/**
 * A line of what differs and the page's history below it, for each mismatch; no line when there is
 * none.
 */
export function renderMismatches(mismatches: readonly Mismatch[]): string[] {
  return mismatches.flatMap(({ strategy, what, history }) => [
    `mismatch (${strategy}): ${what}`,
    ...history.map((event) => `    ${event}`),
  ]);
}

function renderTables(result: RebootResult): string[] {
  const all = [...sections(result), ...fioSections(result)].map(({ question, rows }) => ({
    title: question,
    rows: rows.map(({ label, values }) => [label, ...values]),
  }));
  return renderSections(
    result.strategies.map(({ name }) => name),
    all,
  );
}

function renderCurve({ domain0Curve }: RebootResult): string[] {
  if (domain0Curve.length === 0) return [];
  const { question, rows } = curveSection(domain0Curve);
  const table = { title: question, rows: rows.map(({ label, values }) => [label, ...values]) };
  return [...renderSections(curveHeads(domain0Curve), [table]), ...wrapList('', CURVE_NOTE.split(' '), ' '), ''];
}

/**
 * A table under each title. The tables share their column widths, so that a column stands in one
 * place all the way down.
 * @param heads of the columns behind the first, which has none
 */
export function renderSections(
  heads: readonly string[],
  sections: readonly { readonly title: string; readonly rows: readonly (readonly string[])[] }[],
): string[] {
  const head = ['', ...heads];
  const widths = head.map((name, column) =>
    Math.max(name.length, ...sections.flatMap(({ rows }) => rows.map((row) => row[column]!.length))),
  );
  return sections.flatMap(({ title, rows }) => {
    const table = new Table({
      head,
      colWidths: widths.map((width) => width + 2),
      colAligns: ['left', ...heads.map(() => 'right' as const)],
      style: { head: [], border: [], compact: true },
    });
    table.push(...rows.map((row) => [...row]));
    return [title, table.toString(), ''];
  });
}

/** Joins items into lines of at most COLUMNS, continued under the first item. */
export function wrapList(
  prefix: string,
  items: readonly (string | readonly [name: string, value: string])[],
  separator: string,
): string[] {
  const lines: string[] = [];
  let line = prefix;
  items.forEach((item, index) => {
    const text = typeof item === 'string' ? item : item.join(' ');
    const piece = index === items.length - 1 ? text : text + separator;
    if (line.length + piece.trimEnd().length > COLUMNS && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = ' '.repeat(prefix.length);
    }
    line += piece;
  });
  return [...lines, line.trimEnd()];
}
