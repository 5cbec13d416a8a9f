// docs/explanation/consistency.md: its laws are those of the code, and its numbers are what its
// commands print.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { COMMAND_LINES } from '../../src/cli/command-lines.ts';
import { main } from '../../src/cli/commands.ts';
import { LAWS as TESTING } from '../../src/doors/testing/laws.ts';
import { LAWS as CRASH } from '../../src/lab/crash/laws.ts';
import { LAW as FAULTS } from '../../src/lab/faults/check.ts';
import { ABLATIONS } from '../../src/lab/scope/ablations.ts';
import { playsWhole, TIMEOUT_MS } from '../support/property.ts';
import { captureIo } from './capture.ts';

const PAGE = readFileSync(new URL('../../docs/explanation/consistency.md', import.meta.url), 'utf8');

/** The rows of the table under a heading, without the head of the table. */
function rowsUnder(heading: string): string[][] {
  const section = PAGE.split(/^##+ /m).find((each) => each.startsWith(`${heading}\n`))!;
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
}

const LAWS = rowsUnder('The laws').map(([law]) => law!.replaceAll('`', ''));
const NUMBERS = rowsUnder('How many states').map(([line, states]) => [line!.replaceAll('`', ''), states!] as const);

it('the page of consistency has each law of the code once, and no other', () => {
  const ofCode = [
    ...new Set(ABLATIONS.map(({ law }) => law)),
    ...Object.values(CRASH),
    FAULTS,
    ...Object.keys(TESTING),
  ];
  expect([...LAWS].sort()).toEqual(ofCode.sort());
});

it.each(LAWS)('the law has a place in the argument: %s', (law) => {
  const argument = PAGE.slice(PAGE.indexOf('\n## A page that is taken over')).replace(/\s+/g, ' ');
  expect(argument).toContain(`\`${law}\``);
});

it('the commands of the page of consistency are commands', () => {
  expect(NUMBERS.length).toBeGreaterThan(5);
  for (const [line] of NUMBERS)
    expect([line, COMMAND_LINES.refusalOf(line.split(' ').slice(1))]).toEqual([line, undefined]);
});

// The shortest, and all of them in a run of the laws.
it.each(NUMBERS.filter(([line], at) => at === 0 || playsWhole(line)))(
  'the number of states is what the command prints: %s',
  { timeout: TIMEOUT_MS },
  (line, states) => {
    const io = captureIo(process.cwd());
    expect(main(line.split(' ').slice(1), io)).toBe(0);
    expect(io.stdout.text.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^${states} states, .* 0 violations$`));
  },
);
