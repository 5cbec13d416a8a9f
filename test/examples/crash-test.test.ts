import { describe, expect, it } from 'vitest';
import { crashTest, STATES } from '../../examples/crash-test.ts';

describe('the crash-test example', () => {
  it('the account of the example is old or new at every moment, never torn, and no page is wrong', () => {
    const moments = [...crashTest(15)];
    expect(moments.length).toBeGreaterThan(6);
    expect(moments.filter(({ held }) => !(STATES as readonly string[]).includes(held))).toEqual([]);
    expect(new Set(moments.map(({ held }) => held)).size).toBe(2);
    expect(moments.reduce((sum, { wrong }) => sum + wrong, 0)).toBe(0);
  });
});
