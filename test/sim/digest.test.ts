// The digest: equal for equal words in equal order, else different.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Digest } from '../../src/sim/digest.ts';
import { property } from '../support/property.ts';

const word = fc.integer({ min: 0, max: 0xffffffff });

function digestOf(words: readonly number[]): string {
  const digest = new Digest();
  for (const each of words) digest.add(each);
  return digest.hex;
}

property('the digest is sixteen hexadecimal digits and depends on the words alone', fc.array(word), (words) => {
  expect(digestOf(words)).toMatch(/^[0-9a-f]{16}$/);
  expect(digestOf(words)).toBe(digestOf(words));
});

property(
  'the digest tells one changed word',
  fc.array(word, { minLength: 1 }),
  fc.nat(),
  word,
  (words, place, other) => {
    const changed = [...words];
    changed[place % words.length] = other;
    return (digestOf(changed) === digestOf(words)) === (words[place % words.length] === other);
  },
);

property(
  'the digest tells the order of words',
  fc.uniqueArray(word, { minLength: 2, maxLength: 2 }),
  ([a, b]) => digestOf([a!, b!]) !== digestOf([b!, a!]),
);

property(
  'the digest tells a word more',
  fc.array(word),
  word,
  (words, extra) => digestOf([...words, extra]) !== digestOf(words),
);

property('the digest tells times apart, above 32 bits too', fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
  const digests = [a, b].map((time) => {
    const digest = new Digest();
    digest.addTime(time);
    return digest.hex;
  });
  return (digests[0] === digests[1]) === (a === b);
});

it('the digest of nothing is the same every time', () => {
  expect(new Digest().hex).toBe('9e3779b985ebca6b');
});
