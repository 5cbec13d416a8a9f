import { encodeText } from './text.ts';
import { printable } from './user-error.ts';

const PLAIN = /^[\w@%+=:,./-]+$/;

/**
 * A path as one word of a command line that can be pasted into a shell. Characters that `printable`
 * escapes become bytes of $'…', which bash, ksh and zsh read. Everything else is plain POSIX.
 */
export function shellWord(path: string): string {
  // A path must not look like an option.
  const text = path.startsWith('-') ? `./${path}` : path;
  if (PLAIN.test(text)) return text;
  if (printable(text) === text) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const chars = Array.from(encodeText(text), (byte) => {
    const char = String.fromCharCode(byte);
    return PLAIN.test(char) ? char : String.raw`\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `$'${chars.join('')}'`;
}
