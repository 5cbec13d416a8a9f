/** What was measured, what was not, and how, for people. */

import { printable } from '../../base/index.ts';
import { unitOfConstant } from '../../machine/profile.ts';
import { renderTable } from '../kit/table.ts';
import { type Calibration, isMeasured } from './figures.ts';

const DIGITS = 4;

const shownNumber = (value: number): string =>
  (Math.abs(value) >= 10 ** DIGITS ? Math.round(value) : Number(value.toPrecision(DIGITS))).toLocaleString('en-US', {
    maximumFractionDigits: 9,
  });

/** Without a line end. */
export function renderFindings({ findings, remarks }: Calibration, base: string): string {
  const measured = findings.filter(isMeasured);
  const rows = measured.map(({ name, median, low, high }) => [
    name,
    shownNumber(median),
    unitOfConstant(name),
    low === high ? '' : `${shownNumber(low)} – ${shownNumber(high)}`,
  ]);
  const missed = findings.flatMap((each) => (isMeasured(each) ? [] : [`  ${each.name}: ${each.why}`]));
  return printableLines([
    'Measured',
    renderTable(['constant', 'median', 'unit', 'spread'], rows),
    '',
    ...measured.map(({ name, how }) => `  ${name}: ${how}`),
    '',
    ...(missed.length === 0 ? [] : ['Not measured', ...missed, '']),
    `All other constants are from ${base}.`,
    ...(remarks.length === 0 ? [] : ['', 'Remarks', ...remarks.map((remark) => `  ${remark}`)]),
  ]);
}

const printableLines = (lines: readonly string[]): string =>
  lines
    .flatMap((line) => line.split('\n'))
    .map((line) => printable(line))
    .join('\n');
