// The fuzz of each kind, 10,000 cases: `npm test` plays four of them, and the laws in shards all.
import { expect, it } from 'vitest';
import { COMMAND_LINES } from '../../src/cli/command-lines.ts';
import { fuzzCheckWith } from '../../src/lab/fuzz/index.ts';
import { casesOf } from '../support/product.ts';

const check = fuzzCheckWith(COMMAND_LINES);
const CASES = 10_000;
/** Cases that are played together. */
const TOGETHER = 4;
const FIRSTS = Array.from({ length: CASES / TOGETHER }, (_, n) => n * TOGETHER);

it.each(check.kinds)('ten thousand cases of the fuzz of %s break no law, whichever of them are played', (kind) => {
  const options = { kind, cases: CASES, seed: 1 };
  const firsts = casesOf(`fuzz, ${CASES} cases a kind`, kind, FIRSTS, { sample: 1, whole: CASES / TOGETHER });
  let played = 0;
  for (const from of firsts) {
    const part = { check: 'fuzz', options, from, to: from + TOGETHER };
    const { violations, counts } = check.play(part, () => true);
    expect(violations).toEqual([]);
    played += counts['cases']!;
  }
  expect(played).toBe(firsts.length * TOGETHER);
});
