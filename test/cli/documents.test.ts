// What the documents print is what the commands print that stand before it; UPDATE_DOCS=1 writes it
// anew. Files are made as the documents say, except for their bytes, on which nothing that is
// printed depends as long as they are not zero.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo } from './capture.ts';
import { TIMEOUT_MS } from '../support/property.ts';

const FENCE = /```(?:sh)?\n([^]*?)```\n/g;

/** What a document prints of a command: the same paragraphs of what the command prints now. */
function excerpt(printed: string, block: string): string {
  const paragraphs = printed.trimEnd().split('\n\n');
  const wanted = block.trimEnd().split('\n\n');
  // Either a table by its question, or from the beginning.
  const first = Math.max(
    0,
    paragraphs.findIndex((text) => text.split('\n')[0] === wanted[0]!.split('\n')[0]),
  );
  return `${paragraphs.slice(first, first + wanted.length).join('\n\n')}\n`;
}

const FILES = {
  'tutorial/first-reboot.md': { dir: 'files', count: 64, bytes: 1 << 20 },
  'how-to/compare-what-a-crash-loses.md': { dir: 'pages', count: 2000, bytes: 16_384 },
  'how-to/compare-two-runs.md': { dir: 'files', count: 16, bytes: 1 << 20 },
};

it.each(Object.entries(FILES))(
  'the page docs/%s prints what its commands print',
  { timeout: TIMEOUT_MS },
  (name, files) => {
    const path = new URL(`../../docs/${name}`, import.meta.url);
    const document = readFileSync(path, 'utf8');
    inTemporaryDirectory((cwd) => {
      mkdirSync(join(cwd, files.dir));
      const width = `${files.count}`.length;
      for (let n = 1; n <= files.count; n++)
        writeFileSync(join(cwd, files.dir, `${n}`.padStart(width, '0')), Buffer.alloc(files.bytes, 1 + (n % 255)));
      let printed: string | undefined;
      let blocks = 0;
      const written = document.replace(FENCE, (whole: string, block: string) => {
        if (whole.startsWith('```sh')) {
          for (const line of block.split('\n').filter((each) => each.startsWith('stillwarm '))) {
            const [command, output] = line.split(' > ');
            const io = captureIo(cwd, { runReboot });
            // What the documents compare differs.
            expect(main(command!.split(' ').slice(1), io)).toBe(line.startsWith('stillwarm diff ') ? 1 : 0);
            if (output === undefined) printed = io.stdout.text.replaceAll(`${cwd}/`, '');
            else writeFileSync(join(cwd, output), io.stdout.text);
          }
          return whole;
        }
        if (printed === undefined) return whole;
        blocks++;
        return `\`\`\`\n${excerpt(printed, block)}\`\`\`\n`;
      });
      expect(blocks).toBeGreaterThan(0);
      if (process.env['UPDATE_DOCS'] === '1') writeFileSync(path, written);
      expect(readFileSync(path, 'utf8')).toBe(written);
    });
  },
);
