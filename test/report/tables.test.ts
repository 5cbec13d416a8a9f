import { describe, expect, it } from 'vitest';
import { renderText } from '../../src/report/tables.ts';
import { sampleResult } from './sample.ts';

const ESCAPE = '\u001b';

describe('the printed result', () => {
  const text = renderText(sampleResult(), [], false);
  const lines = text.split('\n');

  it('the printed result fits in 100 columns, without colour or trailing blanks', () => {
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text).not.toContain(ESCAPE);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  it('the printed result says first what was run and what was fitted, last what was verified', () => {
    const head = lines.slice(0, 4).join(' ');
    for (const part of ['files 27,731, 289 MB', 'pentium4-2006', 'seed 1', '0123456789abcdef', '1 GiB', 'orderly'])
      expect(head).toContain(part);
    expect(head).toContain('fitted to the paper: guest.pageLookupNs');
    expect(lines.slice(-2)).toEqual(['verified 1,307,744 pages, 4,628,800,000 bytes: all equal', '']);
  });

  it('the printed result puts every strategy over its own column, in every table', () => {
    const heads = lines.filter(
      (line) => sampleResult().strategies.every(({ name }) => line.includes(name)) && line.includes('│'),
    );
    expect(heads).toHaveLength(4);
    expect(new Set(heads.map((line) => line.indexOf('prefetch'))).size).toBe(1);
  });

  it('the printed result shows each mismatch with the whole history of its page, in order', () => {
    const mismatch = { strategy: 'warm-cache' as const, what: 'page 3 of /a differs', history: ['named', 'claimed'] };
    expect(renderText(sampleResult(), [mismatch], false)).toMatch(
      /\nmismatch \(warm-cache\): page 3 of \/a differs\n {4}named\n {4}claimed\n$/,
    );
  });

  it('the printed result colours the verdict alone: green when all is equal, red when something is not', () => {
    const mismatch = { strategy: 'cold' as const, what: 'x', history: [] };
    expect(renderText(sampleResult(), [], true)).toContain(`${ESCAPE}[32mverified`);
    expect(renderText(sampleResult(), [mismatch], true)).toContain(`${ESCAPE}[31mverified`);
    expect(renderText(sampleResult(), [], true).split(ESCAPE)).toHaveLength(3);
  });
});
