// The XML of JUnit is well-formed whatever is in it, and says what the result says.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { junit } from '../../../src/cli/check/junit.ts';
import { merged, partsOf } from '../../../src/lab/check.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import { property } from '../../support/property.ts';

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

/** As much of XML 1.0 as is written here. Throws at whatever is not well-formed. */
function parseXml(xml: string): Element {
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(xml)) throw new Error('not XML text');
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  if (!xml.startsWith(head)) throw new Error('no head');
  const plain = (text: string): string => {
    if (/[<"]/.test(text)) throw new Error(`not escaped: ${text}`);
    return text.replace(/&(#(\d+)|\w*);?/g, (whole, name: string, code: string | undefined) => {
      const known =
        { amp: '&', lt: '<', gt: '>', quot: '"' }[name] ??
        (code === undefined ? undefined : String.fromCodePoint(Number(code)));
      if (known === undefined || !whole.endsWith(';')) throw new Error(`no entity: ${whole}`);
      return known;
    });
  };
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  const token = /<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>|([^<]+)/gy;
  // As every reader of XML does with the ends of lines.
  const body = xml.slice(head.length).replace(/\r\n?/g, '\n');
  let at = 0;
  for (let match = token.exec(body); match !== null; match = token.exec(body)) {
    at = token.lastIndex;
    const [, isEnd, name, attributes, isEmpty, text] = match;
    const inside = open.at(-1)!;
    if (text !== undefined) {
      inside.text += plain(text);
      continue;
    }
    if (isEnd === '/') {
      if (inside.name !== name) throw new Error(`</${name}> ends <${inside.name}>`);
      open.pop();
      continue;
    }
    const pairs = [...attributes!.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(
      ([, key, value]) => [key!, plain(value!.replace(/[\t\n]/g, ' '))] as const,
    );
    const element = { name: name!, attributes: Object.fromEntries(pairs), children: [], text: '' };
    if (Object.keys(element.attributes).length !== pairs.length) throw new Error('an attribute is there twice');
    inside.children.push(element);
    if (isEmpty !== '/') open.push(element);
  }
  if (at !== body.length || open.length !== 1 || root.children.length !== 1) throw new Error('not one element');
  return root.children[0]!;
}

const word = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\ud800', 'a\udfff', '\u0000', ']]>', '<!--', '&amp;', '"><x', '\ufffe', '\t\r\n'),
);

/** What XML can say of a text. */
const sayable = (text: string): string =>
  text.replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}');

property(
  'the XML of JUnit is well-formed, and gives back every law, text and line',
  ...[word, word, word, word, fc.array(word, { maxLength: 3 }), fc.nat(9)],
  (check, law, what, replay, history, at) => {
    const parts = partsOf('c', {}, 10, 2);
    const results = parts.slice(0, 4).map(
      (part): PartResult => ({
        ...{ part, done: 2, counts: {}, reached: { [law]: 0, even: 1 } },
        violations: at >= part.from && at < part.to ? [{ at, law, what, replay, history }] : [],
      }),
    );
    const suites = parseXml(junit(check, parts, results, merged(parts, results)));
    const [suite] = suites.children;
    expect([suites.name, suite!.name, suite!.attributes['name']]).toEqual([
      'testsuites',
      'testsuite',
      `stillwarm check ${sayable(check)}`,
    ]);
    const isFound = at < 8;
    const states = law === 'even' ? 1 : 2;
    expect(suite!.attributes).toMatchObject({
      tests: `${5 + states}`,
      failures: isFound ? '1' : '0',
      skipped: '2',
      errors: '0',
    });
    const cases = suite!.children;
    expect(cases.map(({ attributes }) => attributes['name']).slice(0, 5)).toEqual(
      [0, 2, 4, 6, 8].map((from) => `cases ${from} to ${from + 1}`),
    );
    const failed = cases.filter(({ children }) => children[0]?.name === 'failure');
    expect(failed).toHaveLength(isFound ? 1 : 0);
    for (const { children } of failed) {
      expect(children[0]!.attributes).toEqual({
        type: sayable(law),
        message: sayable(`case ${at}: ${law}: ${what}`),
      });
      expect(children[0]!.text).toBe(sayable([what, ...history, `replay: ${replay}`].join('\n')));
    }
    const skipped = cases.filter(({ children }) => children[0]?.name === 'skipped');
    expect(skipped.map(({ attributes }) => attributes['name'])).toEqual(['cases 8 to 9', sayable(`reaches: ${law}`)]);
  },
);

it('the XML of JUnit of a check without cases is well-formed', () => {
  const suites = parseXml(junit('c', [], [], merged([], [])));
  expect(suites.children[0]!.attributes).toMatchObject({ tests: '0', failures: '0' });
});
