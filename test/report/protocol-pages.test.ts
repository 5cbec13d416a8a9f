/** Pages of histories, as Chromium lays them out, and as a reader steps through them. */

import { expect } from 'vitest';
import type { History } from '../../src/report/history.ts';
import { protocolPage } from '../../src/report/protocol-html.ts';
import type { Browser, View } from '../support/browser.ts';
import { describeWithBrowser } from '../support/chromium.ts';
import { HANDED_OVER, HOSTILE, STUCK } from './history-sample.ts';
import { PROBLEMS } from './layout.ts';
import { rebuilt, type Row } from './rebuilt.ts';

const ONE = protocolPage([HANDED_OVER]);
const THREE = protocolPage([HANDED_OVER, STUCK, { ...HANDED_OVER, faults: ['another', 'and-yet-another'] }]);
const VIEWS: readonly View[] = [
  { width: 1280 },
  { width: 1280, dark: true },
  { width: 390 },
  { width: 700, print: true },
];
const LAST = HANDED_OVER.steps.length;

interface Shown {
  readonly now: string;
  readonly law: boolean;
  readonly current: string | undefined;
  readonly drawn: string[];
  readonly before: Row[];
  readonly after: Row[];
  /** Paths of rows with the sign that says how they differ. */
  readonly signs: [string, string][];
}

/** What a reader sees of a step. */
const SHOWN = `(() => {
  const section = [...document.querySelectorAll('section.history')].find((each) => each.getClientRects().length > 0);
  const isShown = (element) => element.getClientRects().length > 0;
  const rows = [...section.querySelectorAll('.state tr[data-place]')].filter(isShown);
  const pathOf = (row) => {
    const name = row.cells[1].textContent;
    if (!row.cells[1].classList.contains('inner')) return name === 'state' ? '' : name;
    const part = row.parentElement.querySelector('th').textContent;
    return part + (name.startsWith('[') ? '' : '.') + name;
  };
  const column = (n) => rows.filter((row) => isShown(row.cells[n]) && row.cells[n].textContent !== '—')
    .map((row) => [pathOf(row), row.cells[n].textContent]);
  return {
    now: section.querySelector('[role=status] .now').textContent,
    law: isShown(section.querySelector('.law')),
    current: section.querySelector('.steps [aria-current=step]')?.textContent,
    drawn: [...section.querySelectorAll('svg g.at')].map((part) => part.textContent),
    before: column(2),
    after: column(3),
    signs: rows.map((row) => [pathOf(row), getComputedStyle(row.cells[0], '::before').content[1]]).filter(([, sign]) => sign !== 'o'),
  };
})()`;

const shown = (browser: Browser): Promise<Shown> => browser.ask(SHOWN);

/** This step of the history is shown: its states, what differs, and whether the law breaks. */
async function expectStep(browser: Browser, history: History, at: number): Promise<void> {
  const seen = await shown(browser);
  const states = [history.initial, ...history.steps.map(({ state }) => state)];
  expect(rebuilt(seen.after)).toEqual(states[at]);
  expect(seen.law).toBe(at === history.steps.length);
  if (at === 0) {
    expect(seen).toMatchObject({ before: [], signs: [], drawn: ['the beginning'] });
    expect(seen.current).toBeUndefined();
    return;
  }
  const { step, actor, isEvent } = history.steps[at - 1]!;
  expect(rebuilt(seen.before)).toEqual(states[at - 1]);
  expect(seen.now).toContain(`Step ${at} of ${history.steps.length}: ${isEvent ? step : `${actor}, ${step}`}.`);
  expect(seen.current).toBe(isEvent ? step : `${actor}, ${step}`);
  expect(seen.drawn[1]).toBe(`${at}${step}`);
  const [before, after] = [new Map(seen.before), new Map(seen.after)];
  const signOf = (path: string): string =>
    !before.has(path) ? '+' : !after.has(path) ? '−' : before.get(path) === after.get(path) ? '' : '≠';
  const paths = [...new Set([...before.keys(), ...after.keys()])];
  expect(new Map(seen.signs)).toEqual(
    new Map(paths.flatMap((path) => (signOf(path) === '' ? [] : [[path, signOf(path)]]))),
  );
}

describeWithBrowser('pages of histories', (test) => {
  const looks = [
    { name: 'three', html: THREE, keys: ['Home', 'ArrowRight', 'End'], views: VIEWS },
    { name: 'a hostile one', html: protocolPage([HOSTILE, HANDED_OVER]), keys: ['End'], views: VIEWS.slice(1, 3) },
  ];
  for (const { name, html, keys, views } of looks)
    test(`pages of histories cut off no text, lay none on another, and ask for nothing: ${name}`, async (browser) => {
      await browser.open(html, VIEWS[0]!);
      for (const key of keys) {
        await browser.press(key);
        for (const view of views) {
          await browser.look(view);
          expect(await browser.ask(PROBLEMS)).toEqual([]);
        }
      }
      expect(await browser.ask('document.querySelectorAll("main img, main script").length')).toBe(0);
      expect(browser.requests()).toEqual([]);
    });

  test('pages of histories step forward and back by the keyboard, and show each step as it was', async (browser) => {
    await browser.open(ONE, { width: 1280 });
    await expectStep(browser, HANDED_OVER, 0);
    for (let at = 1; at <= LAST; at++) {
      await browser.press('ArrowRight');
      await expectStep(browser, HANDED_OVER, at);
    }
    await browser.press('ArrowRight');
    await expectStep(browser, HANDED_OVER, LAST);
    for (let at = LAST - 1; at >= 0; at--) {
      await browser.press('ArrowLeft');
      await expectStep(browser, HANDED_OVER, at);
    }
    await browser.press('ArrowLeft');
    await expectStep(browser, HANDED_OVER, 0);
    await browser.press('End');
    await expectStep(browser, HANDED_OVER, LAST);
    await browser.press('Home');
    await expectStep(browser, HANDED_OVER, 0);
  });

  test('pages of histories step by buttons, by the picture and by the list, and the address follows', async (browser) => {
    await browser.open(ONE, { width: 390 });
    const click = async (what: string): Promise<void> => {
      const [x, y] = await browser.ask<[number, number]>(`(() => {
        const element = ${what};
        element.scrollIntoView({ block: 'center' });
        const { left, top, width, height } = element.getBoundingClientRect();
        return [left + width / 2, top + height / 2];
      })()`);
      await browser.click(x, y);
    };
    for (const [to, at] of [
      ['forward', 1],
      ['last', LAST],
      ['back', LAST - 1],
      ['first', 0],
      ['back', 0],
    ] as const) {
      await click(`document.querySelector('[data-to=${to}]')`);
      await expectStep(browser, HANDED_OVER, at);
      const off = await browser.ask<string[]>(
        `[...document.querySelectorAll('[data-to][aria-disabled=true]')].map((button) => button.dataset.to)`,
      );
      expect(off).toEqual(at === 0 ? ['first', 'back'] : at === LAST ? ['forward', 'last'] : []);
    }
    await click(`document.querySelector('svg [data-step="3"] .frame')`);
    await expectStep(browser, HANDED_OVER, 3);
    await click(`document.querySelector('.steps li:nth-child(5) a')`);
    await expectStep(browser, HANDED_OVER, 5);
    expect(await browser.ask('location.hash')).toBe('#h1-5');
    await browser.ask(`location.hash = '#h1-2'`);
    await browser.press('ArrowRight');
    await expectStep(browser, HANDED_OVER, 3);
    expect(browser.requests()).toEqual([]);
  });

  test('pages of histories show the one that is chosen in the list, at the step where it was left', async (browser) => {
    await browser.open(THREE, { width: 1280 });
    await browser.press('ArrowRight');
    await browser.ask(`document.querySelectorAll('.histories a')[1].focus()`);
    await browser.ask(`document.activeElement.click()`);
    await expectStep(browser, STUCK, 0);
    await browser.press('End');
    await expectStep(browser, STUCK, 1);
    expect(await browser.ask(`document.querySelector('.histories [aria-current]').textContent`)).toContain(
      'a deadlock',
    );
    await browser.ask(`document.querySelectorAll('.histories a')[0].click()`);
    await expectStep(browser, HANDED_OVER, 1);
  });

  test('pages of histories hide by the key c what a step does not change', async (browser) => {
    await browser.open(ONE, { width: 1280 });
    await browser.press('ArrowRight');
    const { signs, after } = await shown(browser);
    expect(signs.length).toBeLessThan(after.length);
    await browser.press('c');
    expect((await shown(browser)).after.map(([path]) => path)).toEqual(signs.map(([path]) => path));
    await browser.press('c');
    await expectStep(browser, HANDED_OVER, 1);
  });

  test('pages of histories keep a step of 200 in sight', async (browser) => {
    await browser.open(protocolPage([HOSTILE]), { width: 1280 });
    await browser.press('End');
    const isInSight = `(() => {
      const box = document.querySelector('.sequence').getBoundingClientRect();
      const row = document.querySelector('svg .at .frame').getBoundingClientRect();
      return row.top >= box.top - 1 && row.bottom <= box.bottom + 1;
    })()`;
    expect(await browser.ask(isInSight)).toBe(true);
    await browser.press('Home');
    expect(await browser.ask(isInSight)).toBe(true);
  });

  test('pages of histories say the same without their script', async (browser) => {
    await browser.open(THREE, { width: 390, script: false });
    expect(await browser.ask(PROBLEMS)).toEqual([]);
    expect(
      await browser.ask(
        `[...document.querySelectorAll('button')].filter((each) => each.getClientRects().length > 0).length`,
      ),
    ).toBe(0);
    const text = await browser.ask<string>('document.body.innerText');
    for (const words of ['dirty-sampled-early', 'what was written is there', HANDED_OVER.replay, 'deadlock', 'another'])
      expect(text).toContain(words);
    // The first state, and each step with each change.
    expect(await browser.ask(`document.querySelector('.state').innerText.replaceAll(/\\s+/g, ' ')`)).toContain(
      'pages ["a", "b"] dirty [false, false]',
    );
    const steps = await browser.ask<string[]>(
      `[...document.querySelectorAll('#h1 .steps li')].map((each) => each.innerText.replaceAll(/\\s+/g, ' '))`,
    );
    expect(steps).toHaveLength(LAST);
    expect(steps[1]).toBe(
      'program, write page 1 file.pages ["a", "b"] ["a", "B"] file.dirty [false, false] [false, true]',
    );
  });
});
