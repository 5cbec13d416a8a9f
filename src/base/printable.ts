import { decodeText } from './text.ts';

/**
 * Characters that move a terminal's cursor, change the direction of the text, or have no bytes in
 * UTF-8.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu;

/**
 * Text of the user's or the host's as part of one line. What a terminal would obey is escaped as in
 * C, and so are the bytes of a name that are not UTF-8 (text.ts).
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    if (char === '\n') return '\\n';
    const point = char.codePointAt(0)!;
    const code = point >= 0xdc80 && point <= 0xdcff ? point - 0xdc00 : point;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** A value as JSON on one line, in which strings have escapes where `printable` has them. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The bytes of a name or a path as `printable` text. */
export function printableBytes(bytes: Uint8Array): string {
  return printable(decodeText(bytes));
}
