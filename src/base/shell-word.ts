import { encodeText } from './text.ts';
import { printable } from './printable.ts';

const PLAIN = /^[\w@%+=:,./-]+$/;

/**
 * A path as one word of a command line that is printed to be pasted into a shell. Characters that `printable` would escape are
 * bytes of $'…', which bash, ksh and zsh read; everything else is plain POSIX.
 */
export function shellWord(path: string): string {
  // A path is no option.
  const text = path.startsWith('-') ? `./${path}` : path;
  if (PLAIN.test(text)) return text;
  if (printable(text) === text) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const chars = Array.from(encodeText(text), (byte) => {
    const char = String.fromCharCode(byte);
    return PLAIN.test(char) ? char : String.raw`\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `$'${chars.join('')}'`;
}
