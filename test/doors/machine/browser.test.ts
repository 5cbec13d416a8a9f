// The model runs in a browser. The bundled program boots a guest, reboots it warm and verifies it.
// It prints the same line in Chromium, in a bare context of the engine, and here.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleForBrowser } from '../../../tools/bundle.mjs';
import { itWithChromium } from '../../support/chromium.ts';
import { program } from './browser-program.ts';

const ROOT = join(import.meta.dirname, '../../..');
const OK = /^ok [0-9a-f]+: \d+, [1-9]\d+ pages, 0 reads, 0 wrong$/;

/**
 * Runs a bundle where there is nothing but the language, TextEncoder and TextDecoder. The arrays
 * that these give are the context's own, as in a browser.
 */
function runBare(bundle: string): string[] {
  const lines: string[] = [];
  const context = createContext({
    report: (line: string) => lines.push(line),
    encode: (text: string) => new TextEncoder().encode(text),
    TextDecoder,
  });
  runInContext('class TextEncoder { encode(text) { return Uint8Array.from(encode(text)); } }', context);
  for (const name of ['process', 'Buffer', 'require', 'setTimeout', 'performance'])
    expect(runInContext(`typeof ${name}`, context)).toBe('undefined');
  runInContext(`(() => {\n'use strict';\n${bundle}\n})()`, context);
  return lines;
}

describe('a bundle for browsers', () => {
  let bundle: string;
  beforeAll(async () => {
    bundle = await bundleForBrowser(join(import.meta.dirname, 'browser-entry.ts'));
  });

  it('a bundle that boots a guest and reboots it warm prints in a bare context what the program prints here', () => {
    const line = program();
    expect(line).toMatch(OK);
    expect(runBare(bundle)).toEqual([line]);
  });

  itWithChromium(
    'a bundle that boots a guest and reboots it warm prints in Chromium what it prints here',
    (browse, dir) => {
      const path = join(dir, 'page.html');
      const report = 'var report = (line) => { document.body.textContent = line; };';
      const module_ = bundle.replaceAll('</script', '<\\/script');
      writeFileSync(
        path,
        `<!doctype html><meta charset="utf-8"><body><script>${report}</script><script type="module">${module_}</script>`,
      );
      expect(/<body>(.*)<\/body>/.exec(browse(path))?.[1]).toBe(program());
    },
  );
});

describe('the bundler for browsers', () => {
  let dir: string;
  beforeAll(() => {
    mkdirSync(join(ROOT, '.build'), { recursive: true });
    dir = mkdtempSync(join(ROOT, '.build', 'browser-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each([
    ['a file of the host', '../../src/disk/image/file-image.ts', 'node:fs', 'src/disk/image/file-image.ts'],
    ['a directory of the host', '../../src/disk/mkfs/host-tree.ts', 'node:fs', 'src/disk/mkfs/host-tree.ts'],
    ['a module of node itself', 'node:zlib', 'node:zlib', 'entry.ts'],
  ])('the bundler for browsers refuses %s, and says who imports it', async (_what, from, what, who) => {
    const entry = join(dir, 'entry.ts');
    writeFileSync(entry, `import * as all from '${from}';\nconsole.log(all);\n`);
    const refusal = await bundleForBrowser(entry).catch(String);
    expect(refusal).toMatch(/^Error: bundle for browsers: node:/);
    expect(refusal).toMatch(new RegExp(`Could not resolve '${what}' in .*${who.replaceAll('.', '\\.')}`));
  });
});
