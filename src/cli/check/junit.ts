/** The result of a check as XML of JUnit: a test case for each part, and each state to reach. */

import { isWhole, type Findings } from '../../lab/check.ts';
import type { Part, PartResult, Violation } from '../../lab/part.ts';

/** What XML 1.0 takes. Others are replaced. */
const NO_TEXT = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  ...{ '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' },
};

const escaped = (text: string): string =>
  text.replace(NO_TEXT, '\u{fffd}').replace(/[&<>"\t\n\r]/g, (each) => ENTITIES[each]!);

const element = (name: string, attributes: Readonly<Record<string, string | number>>, inside?: string): string => {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(`${value}`)}"`);
  const tag = `${name}${words.join('')}`;
  return inside === undefined ? `<${tag}/>` : `<${tag}>${inside}</${name}>`;
};

/** The text of the file, ended by a newline. */
export function junit(
  check: string,
  parts: readonly Part[],
  results: readonly PartResult[],
  findings: Findings,
): string {
  const classname = `stillwarm.check.${check}`;
  const resultOf = new Map(results.map((result) => [result.part.from, result]));
  const failure = ({ at, law, what, replay, history }: Violation): string =>
    element(
      'failure',
      { type: law, message: `case ${at}: ${law}: ${what}` },
      escaped([what, ...history, `replay: ${replay}`].join('\n')),
    );
  const played = parts.map((part) => {
    const result = resultOf.get(part.from);
    const failures = (result?.violations ?? []).map(failure);
    const isCut = failures.length === 0 && (result === undefined || !isWhole(result));
    const inside = isCut ? element('skipped', { message: 'it was not played' }) : failures.join('');
    return { name: `cases ${part.from} to ${part.to - 1}`, inside, isCut, failures: failures.length };
  });
  const states = findings.reached.map(({ name, value }) => ({
    name: `reaches: ${name}`,
    inside: value > 0 ? '' : element('skipped', { message: 'never reached' }),
    isCut: value === 0,
    failures: 0,
  }));
  const all = [...played, ...states];
  const numbers = {
    tests: all.length,
    failures: all.filter(({ failures }) => failures > 0).length,
    errors: 0,
    skipped: all.filter(({ isCut }) => isCut).length,
  };
  const cases = all.map(({ name, inside }) =>
    element('testcase', { classname, name }, inside === '' ? undefined : inside),
  );
  const suite = element('testsuite', { name: `stillwarm check ${check}`, ...numbers }, `\n${cases.join('\n')}\n`);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', numbers, `\n${suite}\n`)}\n`;
}
