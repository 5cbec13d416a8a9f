/**
 * The pages as Chromium lays them out: on a desktop, on a phone, on paper and in the dark, with and
 * without their script.
 */

import { expect } from 'vitest';
import { renderHtml } from '../../src/report/html.ts';
import { renderPaperHtml } from '../../src/report/paper-html.ts';
import { renderPredictHtml } from '../../src/report/predict-html.ts';
import { renderVmmHtml } from '../../src/report/vmm-html.ts';
import { renderWebHtml } from '../../src/report/web-html.ts';
import type { Browser, View } from '../support/browser.ts';
import { describeWithBrowser } from '../support/chromium.ts';
import { casesOf } from '../support/product.ts';
import { KIT_PAGE } from './kit-page.ts';
import { PROBLEMS } from './layout.ts';
import { sizesByPage } from './pdf.ts';
import { lightOf } from './png.ts';
import { sampleResult } from './sample.ts';
import { madeUpPaper } from './paper-sample.ts';
import { samplePredictResult } from './predict-sample.ts';
import { sampleWebResult } from './web-sample.ts';
import { sampleVmmResult } from './vmm-sample.ts';

const reboot = sampleResult();
const crash = {
  ...reboot,
  crash: true,
  strategies: reboot.strategies.map((strategy, n) => ({
    ...strategy,
    writes: { bytes: 1_434_782, bytesLost: 478_260 * n, dirtyPages: 359, pagesWrittenBack: 0, pagesLost: 359 },
  })),
};
const mismatches = [{ strategy: 'cold' as const, what: 'page 3 differs', history: ['a'.repeat(300)] }];
const REBOOT_PAGE = renderHtml(reboot, []);
const WEB_PAGE = renderWebHtml({ result: sampleWebResult(), mismatches: [], notices: [] });
const PREDICT_PAGE = renderPredictHtml({ result: samplePredictResult(), mismatches: [], notices: [] });
const PAPER_PAGE = renderPaperHtml(madeUpPaper({ study: true }));
const PAGES = {
  'a reboot': REBOOT_PAGE,
  'a crash': renderHtml(crash, mismatches),
  'a reboot of the hypervisor': renderVmmHtml({ result: sampleVmmResult(), mismatches: [], notices: [] }),
  'a web server': WEB_PAGE,
  'a prediction': PREDICT_PAGE,
  "the paper's figures": PAPER_PAGE,
  'the kit': KIT_PAGE,
};
const VIEWS: Record<string, readonly View[]> = {
  'on a desktop, also in the dark': [{ width: 1280 }, { width: 1280, dark: true }],
  'on a phone': [{ width: 390 }],
  'on paper': [{ width: 700, print: true }],
};

/** Where the middle of an element is in the window, after scrolling to it. */
async function middleOf(browser: Browser, selector: string): Promise<[number, number]> {
  return browser.ask(`(() => {
    const element = document.querySelector(${JSON.stringify(selector)});
    element.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = element.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  })()`);
}

describeWithBrowser('the pages', (test) => {
  const looks = Object.entries(PAGES).flatMap(([page, html]) =>
    Object.entries(VIEWS).map(([where, views]) => ({ page, html, where, views })),
  );
  for (const { page, html, where, views } of casesOf('pages that are looked at', '', looks, { sample: 8 }))
    test(`the pages cut off no text, lay none on another, and ask for nothing: ${page} ${where}`, async (browser) => {
      await browser.open(html, views[0]!);
      const look = async (): Promise<void> => {
        for (const view of views) {
          await browser.look(view);
          expect(await browser.ask(PROBLEMS)).toEqual([]);
        }
      };
      await look();
      await browser.ask(`document.querySelector('button.scale').click()`);
      await browser.ask(`document.querySelector('details')?.setAttribute('open', '')`);
      await look();
      expect(browser.requests()).toEqual([]);
    });

  // The letters of a heading are the only ones of 20 px on paper. Two lines below one are no
  // company.
  const printed = Object.entries(PAGES).filter(([name]) => name !== 'the kit');
  for (const [page, html] of casesOf('pages that are printed', '', printed, { sample: 3 }))
    test(`the pages leave no heading alone at the end of a sheet: ${page}`, async (browser) => {
      await browser.open(html, { width: 700, print: true });
      const headings = await browser.ask<number>(`document.querySelectorAll('h2').length`);
      // Wherever the headings come to lie.
      for (const space of [0, 400]) {
        await browser.ask(`document.querySelector('header').style.paddingBottom = '${space}px'`);
        const { data } = await browser.send('Page.printToPDF', { paperWidth: 8.27, paperHeight: 11.69 });
        const sheets = sizesByPage(Buffer.from(data as string, 'base64'));
        expect(sheets.flat().filter((size) => size === 20).length).toBeGreaterThanOrEqual(headings);
        for (const sizes of sheets) expect(sizes.slice(-3)).not.toContain(20);
      }
    });

  test('the pages show by a shadow that a table goes on, at the end where it does, and not on paper', async (browser) => {
    /** How dark both ends of the first table are, where no letter is. */
    const ends = async (): Promise<[left: number, right: number]> => {
      const clip = await browser.ask(`(() => {
        const box = document.querySelector('.scroll');
        box.scrollIntoView();
        const { x, y, width } = box.getBoundingClientRect();
        const row = box.querySelector('tbody tr').getBoundingClientRect();
        return { x: x + scrollX, y: row.y + scrollY + 1, width, height: 4, scale: 1 };
      })()`);
      const { data } = await browser.send('Page.captureScreenshot', { clip, captureBeyondViewport: true });
      const [row] = lightOf(Buffer.from(data as string, 'base64'));
      return [255 - row![1]!, 255 - row!.at(-2)!];
    };
    await browser.open(PAPER_PAGE, { width: 390 });
    const [left, right] = await ends();
    expect(left).toBeLessThan(5);
    expect(right).toBeGreaterThan(40);
    await browser.ask(`document.querySelector('.scroll').scrollLeft = 10_000`);
    const [leftThen, rightThen] = await ends();
    expect(leftThen).toBeGreaterThan(40);
    expect(rightThen).toBeLessThan(5);
    await browser.open(PAPER_PAGE, { width: 390, print: true });
    expect(await ends()).toEqual([expect.closeTo(0, -1), expect.closeTo(0, -1)]);
  });

  test('the pages say the same without their script', async (browser) => {
    await browser.open(REBOOT_PAGE, { width: 390, script: false });
    expect(await browser.ask(PROBLEMS)).toEqual([]);
    // Nothing is offered that does nothing.
    expect(await browser.ask(`document.querySelector('button').getClientRects().length`)).toBe(0);
    const shown = await browser.ask<string>('document.body.innerText');
    for (const words of ['1,090', 'warm-cache+metadata reads files 26.0 × as fast as cold', 'verified 1,307,744 pages'])
      expect(shown).toContain(words);
    expect(await browser.ask(`document.querySelectorAll('.hit > title').length`)).toBeGreaterThan(100);
  });

  test('the pages switch between a linear and a logarithmic scale by the key l and by the button', async (browser) => {
    await browser.open(REBOOT_PAGE, { width: 1280 });
    const shown = (): Promise<number[]> =>
      browser.ask(`['linear', 'log'].map((kind) =>
        [...document.querySelectorAll('.chart g.' + kind)].filter((g) => g.getClientRects().length > 0).length)`);
    const [linear] = await shown();
    expect(linear).toBeGreaterThan(8);
    expect(await shown()).toEqual([linear, 0]);
    await browser.press('l');
    expect(await shown()).toEqual([0, linear]);
    expect(await browser.ask(`document.querySelector('button.scale').getAttribute('aria-pressed')`)).toBe('true');
    await browser.click(...(await middleOf(browser, 'button.scale')));
    expect(await shown()).toEqual([linear, 0]);
  });

  test('the pages isolate a series in all charts by a click or by Enter, and show all again by Escape', async (browser) => {
    await browser.open(REBOOT_PAGE, { width: 1280 });
    const bright = (): Promise<string[]> =>
      browser.ask(`[...document.querySelectorAll('.chart [data-series]')]
        .filter((g) => getComputedStyle(g).opacity === '1').map((g) => g.dataset.series)`);
    const all = await bright();
    expect(all).toHaveLength(8);
    await browser.click(...(await middleOf(browser, '.key[data-series="warm-cache"]')));
    expect(await bright()).toEqual(['warm-cache', 'warm-cache']);
    await browser.press('Escape');
    expect(await bright()).toEqual(all);
    await browser.ask(`document.querySelector('.key[data-series=cold]').focus()`);
    await browser.press('Enter');
    expect(await bright()).toEqual(['cold', 'cold']);
    await browser.press('Enter');
    expect(await bright()).toEqual(all);
  });

  for (const [page, html] of [
    ['a web server', WEB_PAGE],
    ["the paper's figures", PAPER_PAGE],
  ] as const)
    test(`the pages switch the scale and isolate a series: ${page}`, async (browser) => {
      await browser.open(html, { width: 1280 });
      const logs = (): Promise<number> =>
        browser.ask(
          `[...document.querySelectorAll('.chart g.log')].filter((g) => g.getClientRects().length > 0).length`,
        );
      expect(await logs()).toBe(0);
      await browser.press('l');
      expect(await logs()).toBeGreaterThan(0);
      const bright = (): Promise<string[]> =>
        browser.ask(`[...document.querySelectorAll('.chart [data-series]')]
          .filter((g) => getComputedStyle(g).opacity === '1').map((g) => g.dataset.series)`);
      const all = await bright();
      await browser.click(...(await middleOf(browser, '.key[data-series="warm-cache"]')));
      const isolated = await bright();
      expect(new Set(isolated)).toEqual(new Set(['warm-cache']));
      expect(isolated.length).toBeLessThan(all.length);
      await browser.press('Escape');
      expect(await bright()).toEqual(all);
    });

  test('the pages say the value that a reader points at, or reaches by the arrow keys', async (browser) => {
    await browser.open(REBOOT_PAGE, { width: 1280 });
    const said = (chart: string): Promise<string> =>
      browser.ask(
        `document.querySelector('[aria-labelledby^=${chart}]').closest('figure').querySelector('.readout').textContent`,
      );
    await browser.point(...(await middleOf(browser, '.strategy-warm-cache .linear .bar-solid')));
    expect(await said('bars')).toBe('warm-cache, after, 1st: 640 MB/s');
    await browser.ask(`document.querySelector('[aria-labelledby^=timeline]').focus()`);
    await browser.press('ArrowRight');
    const first = await said('timeline');
    expect(first).toMatch(/^cold, −[\d.]+ to −[\d.]+ s: [\d.,]+ MB\/s$/);
    await browser.press('ArrowRight');
    expect(await said('timeline')).not.toBe(first);
    await browser.press('ArrowLeft');
    expect(await said('timeline')).toBe(first);
  });
});
