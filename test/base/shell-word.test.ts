import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeText, printable, shellWord } from '../../src/base/index.ts';
import { property } from '../support/property.ts';
import { runProgram } from '../support/shell.ts';

/** The arguments that a shell makes of a command line. */
function argumentsOf(line: string): Buffer[] {
  const { stdout, stderr } = runProgram('bash', '-c', `printf '%s\\0' ${line} | base64`);
  expect(stderr).toBe('');
  return Buffer.from(stdout, 'base64')
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .map((text) => Buffer.from(text, 'latin1'));
}

it('shellWord leaves a plain path as it is', () => {
  expect(shellWord('/srv/a-b_c.d/E@2,x=1:%+')).toBe('/srv/a-b_c.d/E@2,x=1:%+');
});

it.each([
  ['/a b', `'/a b'`],
  [`/it's`, String.raw`'/it'\''s'`],
  ['-x', './-x'],
  ['-x y', `'./-x y'`],
  ['/a\nb', String.raw`$'/a\x0ab'`],
  ['/\u202egpj', String.raw`$'/\xe2\x80\xaegpj'`],
  ['/\udcff', String.raw`$'/\xff'`],
  ['/Straße', `'/Straße'`],
])('the word %j becomes %s', (path, word) => {
  expect(shellWord(path)).toBe(word);
});

property(
  'a shell reads the path of shellWord again, whatever is in it, and a terminal obeys nothing of it',
  fc.array(
    fc.string({
      unit: fc.oneof(
        fc.constantFrom(...Array.from(` '"\\$\`!*?~#&;|<>(){}[]\n\t\r\u001b-é\u202e\udc80`)),
        fc.string({ unit: 'binary' }),
      ),
      minLength: 1,
    }),
    { minLength: 20, maxLength: 20 },
  ),
  (texts) => {
    // A path has no zero.
    const paths = texts.map((text) => text.replaceAll('\0', '0'));
    const words = paths.map(shellWord);
    for (const word of words) if (printable(word) !== word) throw new Error(`not printable: ${JSON.stringify(word)}`);
    argumentsOf(words.join(' ')).forEach((bytes, i) => {
      const path = paths[i]!;
      const expected = Buffer.from(encodeText(path.startsWith('-') ? `./${path}` : path));
      if (!bytes.equals(expected)) throw new Error(`${words[i]!} is ${JSON.stringify(bytes.toString('latin1'))}`);
    });
  },
  // Twenty paths a case, and a shell for each: 400 paths have every character that means something.
  { numRuns: 20, lawRuns: 100 },
);
