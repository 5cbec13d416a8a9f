/**
 * Tables of figures for a terminal, as the commands print them that have no report of their own.
 */

import Table from 'cli-table3';
import { grouped } from '../../base/index.ts';

/** A column is aligned right when its first cell is a number. */
export function renderTable(head: string[], rows: (string | number)[][]): string {
  const table = new Table({
    head,
    colAligns: head.map((_, column) => (typeof rows[0]?.[column] === 'number' ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? grouped(cell) : cell))));
  return table.toString();
}
