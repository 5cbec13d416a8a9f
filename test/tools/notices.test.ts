// The licences of others are in the package, and a report page needs none.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { renderHtml } from '../../src/report/html.ts';
import { SCRIPT } from '../../src/report/kit/script.ts';
import { renderVmmHtml } from '../../src/report/vmm-html.ts';
import { installed, NOTICES, notices } from '../../tools/notices.mjs';
import { sampleResult } from '../report/sample.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';

const ROOT = join(import.meta.dirname, '../..');

it('the notices are those of what is installed and bundled now: run node tools/notices.mjs', async () => {
  expect(readFileSync(NOTICES, 'utf8')).toBe(await notices());
});

it('the notices name every dependency of package.json, and are in the package', () => {
  const text = readFileSync(NOTICES, 'utf8');
  const { dependencies, files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    files: string[];
  };
  for (const [name, version] of Object.entries(dependencies)) expect(text).toContain(`\n${name} ${version} (`);
  expect(files).toContain('THIRD-PARTY-NOTICES.txt');
  // The charts are drawn by d3, of which the program therefore contains code.
  expect(text).toMatch(/^d3-shape [\d.]+ \(ISC, bundled\)$/m);
});

/** Lines of code of the packages that are installed with stillwarm, as far as they are long. */
function linesOfOthers(): string[] {
  return installed().flatMap(([path]) =>
    readdirSync(join(ROOT, path), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(m|c)?js$/.test(name) && !name.includes('node_modules'))
      .flatMap((name) => readFileSync(join(ROOT, path, name), 'utf8').split('\n'))
      .map((line) => line.trim())
      .filter((line) => line.length >= 24 && line.length <= 200),
  );
}

it('the pages of --report have one script, which is ours, and no line of code by others', () => {
  const lines = linesOfOthers();
  expect(lines.length).toBeGreaterThan(1000);
  for (const page of [
    renderHtml(sampleResult(), []),
    renderVmmHtml({ result: sampleVmmResult(), mismatches: [], notices: [] }),
  ]) {
    expect(page.split('<script')).toHaveLength(2);
    expect(page).toContain(`<script>${SCRIPT}</script>`);
    expect(page.replace(SCRIPT, '')).not.toMatch(/javascript:|\son\w+=/i);
    expect(page).toContain('<path');
    expect(lines.filter((line) => page.includes(line))).toEqual([]);
  }
});
