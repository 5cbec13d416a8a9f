/** The result of `stillwarm web` as plain text for a terminal, within 100 columns. */

import type { WebOutcome } from '../experiment/web/experiment.ts';
import { renderSections, wrapList } from './tables.ts';
import { OF_THE_SLIDES, webHeadline, webNotes, webParameters, webSections, webVerification } from './web-measures.ts';

/**
 * The whole text, ended by a newline.
 * @param colour whether the terminal understands escape sequences
 */
export function renderWebText({ result, mismatches }: WebOutcome, colour: boolean): string {
  const { line, allEqual } = webVerification(result);
  const isGood = allEqual && mismatches.length === 0;
  const sentence = webHeadline(result);
  const tables = webSections(result).map(({ question, rows }) => ({
    title: question,
    rows: rows.map(({ label, values }) => [label, ...values]),
  }));
  return [
    ...renderSections(
      result.strategies.map(({ name }) => name),
      tables,
    ),
    ...webNotes(result).flatMap((note) => [...wrapList('', note.split(' '), ' '), '']),
    ...(sentence === undefined ? [] : [...wrapList('', sentence.split(' '), ' '), '']),
    ...wrapList('', OF_THE_SLIDES.split(' '), ' '),
    '',
    ...wrapList('', webParameters(result), '; '),
    ...wrapList('fitted to the paper: ', result.fitted.length === 0 ? ['nothing'] : result.fitted, ', '),
    '',
    colour ? `\u001b[${isGood ? 32 : 31}m${line}\u001b[0m` : line,
    ...renderWebMismatches(mismatches),
    '',
  ].join('\n');
}

/** A line for each page or answer that differs. */
export function renderWebMismatches(mismatches: WebOutcome['mismatches']): string[] {
  return mismatches.map(({ strategy, what }) => `mismatch (${strategy}): ${what}`);
}
