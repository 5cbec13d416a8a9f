import fc from 'fast-check';
import { expect } from 'vitest';
import { FirstFit, PrefixSums } from '../../../src/kernel/mm/place-trees.ts';
import { property } from '../../support/property.ts';

const sets = fc.array(fc.tuple(fc.oneof(fc.nat(20), fc.nat(300)), fc.oneof(fc.nat(5), fc.nat(2 ** 31 - 1))), {
  maxLength: 60,
});

property('the first place with so much, and the sum before a place, are those of a plain array', sets, (list) => {
  const plain: number[] = [];
  const firstFit = new FirstFit();
  const sums = new PrefixSums();
  for (const [place, value] of list) {
    while (plain.length <= place) plain.push(0);
    plain[place] = value;
    firstFit.set(place, value);
    sums.set(place, value);
    const limits = [1, 2, 5, value, value + 1, 2 ** 31 - 1].filter((least) => least > 0 && least < 2 ** 31);
    for (const from of [0, 1, place, place + 1, plain.length - 1, plain.length, 1000]) {
      for (const least of limits)
        expect(firstFit.first(from, least)).toBe(plain.findIndex((each, at) => at >= from && each >= least));
      expect(sums.before(from)).toBe(plain.slice(0, from).reduce((sum, each) => sum + each, 0));
      expect(firstFit.get(from)).toBe(plain[from] ?? 0);
    }
  }
});
