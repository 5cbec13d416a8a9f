// A browser, for what must also run in one. `itWithChromium` is `it` with a browser that prints a
// page and ends; the tests of `describeWithBrowser` have one that they can command. Both are
// skipped with the reason when Chromium is not installed; in CI that is a failure, since there
// nothing may be skipped.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Browser } from './browser.ts';
import { inTemporaryDirectory, run } from './e2fsprogs.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The program, or undefined when there is none. */
function findChromium(): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin'];
  return directories
    .flatMap((directory) => NAMES.map((name) => join(directory, name)))
    .find((path) => existsSync(path));
}

/** Opens a page, given as a path, and returns its DOM as HTML when its modules have run. */
export type Browse = (path: string) => string;

export function itWithChromium(name: string, test: (browse: Browse, dir: string) => void): void {
  const chromium = findChromium();
  it(name, ({ skip }) => {
    if (chromium === undefined) {
      if (process.env['CI'] !== undefined) throw new Error('Chromium is not installed, and in CI nothing is skipped');
      skip('Chromium is not installed');
    } else {
      inTemporaryDirectory((dir) => {
        // No sandbox: it does not start for root, and opens nothing but the page of the test.
        const options = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${join(dir, 'profile')}`];
        test((path) => run(chromium, ...options, '--dump-dom', pathToFileURL(path).href), dir);
      });
    }
  });
}

/** A test with a browser. */
export type BrowserTest = (name: string, test: (browser: Browser) => Promise<void>) => void;

/** A suite whose tests share a browser. */
export function describeWithBrowser(name: string, suite: (test: BrowserTest) => void): void {
  const chromium = findChromium();
  describe(name, () => {
    let browser: Browser | undefined;
    beforeAll(() => {
      if (chromium !== undefined) browser = new Browser(chromium);
    });
    afterAll(() => browser?.close());
    suite((title, test) => {
      it(title, async ({ skip }) => {
        if (browser !== undefined) await test(browser);
        else if (process.env['CI'] !== undefined)
          throw new Error('Chromium is not installed, and in CI nothing is skipped');
        else skip('Chromium is not installed');
      });
    });
  });
}
