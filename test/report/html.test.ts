import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/report/html.ts';
import { sections } from '../../src/report/measures.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { property } from '../support/property.ts';
import { checkNesting } from './html-nesting.ts';
import { sampleResult } from './sample.ts';

describe('the page', () => {
  const html = renderHtml(sampleResult(), []);

  it('the page is whole, well nested, and stands alone', () => {
    checkNesting(html);
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/<link|<img|<iframe|@import|src=/);
    // A link to a source is followed by the reader alone.
    expect(html.replaceAll(/<a href="https:[^"]*" rel="noreferrer">/g, '')).not.toMatch(/https?:|href=/);
    expect(html.match(/url\([^)]*\)/g)).toEqual(['url(#down)', 'url(#lost)']);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('the page has every figure of the printed tables, headed by strategy and measure', () => {
    for (const { question, rows } of sections(sampleResult())) {
      expect(html).toContain(`<th scope="rowgroup" colspan="5">${question}</th>`);
      for (const { label, values } of rows)
        expect(html).toContain(`<th scope="row">${label}</th>${values.map((value) => `<td>${value}</td>`).join('')}`);
    }
    expect(html.match(/<th scope="col">/g)).toHaveLength(4);
  });

  it('the page names what was run, what was fitted and what was verified', () => {
    for (const part of ['27,731', '0123456789abcdef', 'guest.copyNsPerByte', 'verified 1,307,744 pages', '✓'])
      expect(html).toContain(part);
  });

  it('the page shows a mismatch with its history and does not call the run good', () => {
    const mismatch = { strategy: 'warm-cache' as const, what: 'page 3 differs', history: ['named', 'claimed'] };
    const bad = renderHtml(sampleResult(), [mismatch]);
    checkNesting(bad);
    expect(bad).toContain('<li>named</li><li>claimed</li>');
    expect(bad).toContain('class="verdict bad"');
  });

  it('the page is cut into pictures that stand alone, with the linear scale', () => {
    inTemporaryDirectory((dir) => {
      writeFileSync(join(dir, 'index.html'), html);
      const picture = execFileSync('sh', ['docs/pictures/cut.sh', join(dir, 'index.html'), 'bars'], {
        encoding: 'utf8',
      });
      checkNesting(picture);
      expect(picture).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="640" height="\d+" /);
      expect(picture).toMatch(/<\/svg>\n$/);
      for (const style of ['bar-outline', 'bar-solid', 'bar-pale']) {
        expect(picture.match(new RegExp(`class="${style} hit"`, 'g'))).toHaveLength(4);
        expect(picture).toContain(`.${style} {`);
      }
      expect(picture).not.toMatch(/class="log"|logarithmic|<script|\.legend|table \{/);
    });
  });

  const nasty = fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'b', '/', ' ') });
  property('the page escapes whatever text it is given', nasty, nasty, nasty, (what, event, fitted) => {
    const mismatches = [{ strategy: 'cold' as const, what, history: [event] }];
    const page = renderHtml({ ...sampleResult(), fitted: [fitted], digest: what }, mismatches);
    checkNesting(page);
    const tags = (text: string): number => text.split('<').length;
    const plain = renderHtml({ ...sampleResult(), fitted: ['x'], digest: 'x' }, [
      { strategy: 'cold', what: 'x', history: ['x'] },
    ]);
    return tags(page) === tags(plain);
  });
});
