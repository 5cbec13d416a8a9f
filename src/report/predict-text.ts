/** The result of `stillwarm predict` as plain text for a terminal, within 100 columns. */

import type { PredictOutcome } from '../experiment/predict/experiment.ts';
import {
  fileSection,
  PREDICT_NOTE,
  predictHeadline,
  predictParameters,
  predictSections,
  predictVerification,
  timeSections,
} from './predict-measures.ts';
import { restoreTable, sizesTable, type OwnTable } from './predict-pages.ts';
import { renderSections, wrapList } from './tables.ts';

/**
 * The whole text, ended by a newline.
 * @param colour whether the terminal understands escape sequences
 */
export function renderPredictText({ result, mismatches }: PredictOutcome, colour: boolean): string {
  const { line, allEqual } = predictVerification(result);
  const isGood = allEqual && mismatches.length === 0;
  const files = fileSection(result);
  const sections = [...predictSections(result), ...timeSections(result), ...(files === undefined ? [] : [files])];
  const tables = sections.map(({ question, rows }) => ({
    title: question,
    rows: rows.map(({ label, values }) => [label, ...values]),
  }));
  return [
    ...wrapList('', predictHeadline(result).split(' '), ' '),
    '',
    ...renderSections(
      result.strategies.map(({ name }) => name),
      tables,
    ),
    ...wrapList('', PREDICT_NOTE.split(' '), ' '),
    '',
    ...renderOwn(sizesTable(result)),
    ...renderOwn(restoreTable(result)),
    ...wrapList('', predictParameters(result), '; '),
    ...wrapList('fitted to the paper: ', result.fitted.length === 0 ? ['nothing'] : result.fitted, ', '),
    '',
    colour ? `\u001b[${isGood ? 32 : 31}m${line}\u001b[0m` : line,
    ...renderPredictMismatches(mismatches),
    '',
  ].join('\n');
}

function renderOwn(table: OwnTable | undefined): string[] {
  if (table === undefined) return [];
  const { title: asked, heads, section, note } = table;
  const rows = section.rows.map(({ label, values }) => [label, ...values]);
  const title = wrapList('', `${asked} ${section.question}`.split(' '), ' ').join('\n');
  return [...renderSections(heads, [{ title, rows }]), ...wrapList('', note.split(' '), ' '), ''];
}

/** A line for each page or read that differs. */
export function renderPredictMismatches(mismatches: PredictOutcome['mismatches']): string[] {
  return mismatches.map(({ strategy, what }) => `mismatch (${strategy}): ${what}`);
}
