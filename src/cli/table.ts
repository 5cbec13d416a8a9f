/** Tables of figures for a terminal, as the commands print them that have no report of their own. */

import Table from 'cli-table3';

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

/** 8500000 → 8,500,000 */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
