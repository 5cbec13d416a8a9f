/** The result of reboots of the hypervisor as plain text for a terminal, within 100 columns. */

import Table from 'cli-table3';
import type { VmmExperimentOutcome } from '../experiment/vmm/experiment.ts';
import type { Grid } from './kit/grids.ts';
import { wrapList } from './tables.ts';
import { grids, notesOf, parametersOf, reasonsOf, verificationOf } from './vmm-measures.ts';
import { vmmWinner } from './vmm-winner.ts';

/**
 * The whole text, ended by a newline.
 * @param colour whether the terminal understands escape sequences
 */
export function renderVmmText({ result, mismatches }: VmmExperimentOutcome, colour: boolean): string {
  const { line, allEqual } = verificationOf(result);
  return [
    ...wrapList('', parametersOf(result), '; '),
    ...wrapList('fitted to the paper: ', result.fitted.length === 0 ? ['nothing'] : result.fitted, ', '),
    ...notesOf(result).flatMap((note) => wrapList('', note.split(' '), ' ')),
    '',
    ...grids(result).flatMap((grid) => [grid.question, renderGrid(grid), '']),
    ...wrapList('', vmmWinner(result).split(' '), ' '),
    '',
    ...reasonsOf(result),
    colour ? `\u001b[${allEqual ? 32 : 31}m${line}\u001b[0m` : line,
    ...renderVmmMismatches(mismatches),
    '',
  ].join('\n');
}

/** A line for each page or read that differs. */
export function renderVmmMismatches(mismatches: VmmExperimentOutcome['mismatches']): string[] {
  return mismatches.map(({ vms, memory, strategy, what }) => `mismatch (${strategy}, ${vms} × ${memory}): ${what}`);
}

function renderGrid({ heads, rows }: Grid): string {
  const table = new Table({
    head: ['', ...heads],
    colAligns: ['left', ...heads.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  });
  table.push(
    ...rows.map(({ label, cells }) => [
      label,
      // Two lines of a note: three columns with a figure of the slides fit.
      ...cells.map(({ value, note }) => (note === undefined ? value : `${value}\n${note.replace(', ', ',\n')}`)),
    ]),
  );
  return table.toString();
}
