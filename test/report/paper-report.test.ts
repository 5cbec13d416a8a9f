import { describe, expect, it } from 'vitest';
import { renderPaperHtml, renderPaperText } from '../../src/report/index.ts';
import { checkNesting } from './html-nesting.ts';
import { madeUpPaper } from './paper-sample.ts';

const OUTCOME = madeUpPaper({ study: true });
const text = renderPaperText(OUTCOME, false);
const html = renderPaperHtml(OUTCOME);
/** Cells of the figure, which stands in the group of its name. */
const rowOf = (name: string): string[] => {
  const [group, rest] = name.split(': ');
  const lines = text.split('\n');
  return lines
    .slice(lines.findIndex((line) => line.startsWith(`│ ${group} `)))
    .find((line) => line.startsWith(`│   ${rest} `))!
    .split('│')
    .slice(2, -1)
    .map((cell) => cell.trim().replace(/^not$/, 'not comparable'));
};

describe('the printed figures of the paper', () => {
  it('the printed figures have slide, ours, how far it is off, both ranges and the status in their columns', () => {
    expect(rowOf('warm-vm, 1 of 1 GiB: service down')).toEqual(['40 s', '51.2 s', '+28.0 %', '', '', 'fitted']);
    expect(rowOf('files: first run ÷ conventional')).toMatchObject([
      '15 ×',
      '8.00 ×',
      '−46.7 %',
      '8.00–8.00',
      '8.00–8.00',
      'predicted',
    ]);
    expect(rowOf('web server: first run ÷ second run').slice(0, 3)).toEqual(['92 %', '90.0 %', '−2.2 %']);
    expect(rowOf('throughput lost, cold: how much')).toEqual(['44 %', '40.0 %', '−9.1 %', '', '', 'not comparable']);
    const [, , off, alone, together] = rowOf('save-restore, 1 of 1 GiB: save');
    const { range } = OUTCOME.result.figures.find(({ name }) => name === 'save-restore, 1 of 1 GiB: save')!;
    expect(off).toBe('−46.4 %');
    expect(alone).toBe(`${range!.alone.low.toPrecision(3)}–${range!.alone.high.toPrecision(3)}`);
    expect(together).toBe(`${range!.together.low.toPrecision(3)}–${range!.together.high.toPrecision(3)}`);
  });

  it('the printed figures stay within 100 columns, and every figure that is not fitted has its reason', () => {
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    const words = text.replaceAll(/\s+/g, ' ');
    for (const { status, reason } of OUTCOME.result.figures) if (status !== 'fitted') expect(words).toContain(reason);
    expect(words).toContain('4 not comparable.');
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('the printed figures keep a space on both sides of each rule, and each group has its name once', () => {
    const lines = text.split('\n').filter((line) => line.startsWith('│'));
    for (const line of lines) expect(line).toMatch(/^│ .* │$/);
    for (const line of lines) expect(line).not.toMatch(/[^ █]│|│[^ █]/);
    expect(lines.filter((line) => line.includes('warm-vm, 1 of 1 GiB'))).toHaveLength(1);
  });

  it('the printed tornado has the constants that move a figure, each with a bar from end to end', () => {
    const lines = text.split('\n');
    const at = lines.indexOf('save-restore, 1 of 1 GiB: save: 15.0 s');
    const row = lines.slice(at).find((line) => line.includes('hypervisor.savePageNs'))!;
    const { swings } = OUTCOME.result.figures.find(({ name }) => name.endsWith('1 GiB: save'))!.range!;
    expect(row).toContain(swings[0]!.atLow.toPrecision(3));
    expect(row).toMatch(/█+│█+/);
  });

  it('the printed figures say how to find ranges when there are none', () => {
    expect(renderPaperText(madeUpPaper(), false)).toContain('No ranges');
  });
});

describe('the page of the paper', () => {
  it('the page of the paper is whole, well nested, and has no figure that is none', () => {
    checkNesting(html);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('the page of the paper sets what is code as such, where the text has backticks', () => {
    const none = madeUpPaper();
    expect(renderPaperText(none, false).replaceAll(/\s+/g, ' ')).toContain('`stillwarm paper --ranges FILE`');
    for (const outcome of [none, OUTCOME]) {
      expect(renderPaperHtml(outcome)).toContain('<code>stillwarm paper --ranges FILE</code>');
      expect(renderPaperHtml(outcome).replace(/<script>[^]*<\/script>/, '')).not.toContain('`');
    }
  });

  it('the page of the paper has a row for each figure, and each of its cells is that of the text', () => {
    for (const { name } of OUTCOME.result.figures) {
      const row = new RegExp(`<th scope="row">${name.replaceAll(/[.÷()]/g, '.')}</th>(.*?)</tr>`).exec(html)![1]!;
      expect([...row.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell)).toEqual(rowOf(name));
    }
  });

  it('the page of the paper has the charts of the slides, and a tornado for each figure that constants move', () => {
    for (const measure of ['stop', 'start', 'downtime'])
      for (const over of ['memory', 'vms']) expect(html).toContain(`id="${measure}-over-${over}-title"`);
    // Figures of the slides for one guest of 1 GiB, over memory; none for six machines of 256 MiB
    // has a downtime.
    expect(html.match(/class="ring/g)!.length).toBeGreaterThanOrEqual(15);
    for (const id of ['figures', 'readings', 'resonance', 'files-0', 'files-1', 'web-0', 'web-1'])
      expect(html).toContain(`id="${id}-title"`);
    const moved = OUTCOME.result.figures.filter(({ range }) => range !== null && range.swings.length > 0);
    expect(moved.length).toBeGreaterThan(2);
    expect(html.match(/id="tornado-\d+-title"/g)).toHaveLength(moved.length);
  });
});
