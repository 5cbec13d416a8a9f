// Strings that stand for bytes: every sequence of bytes has one string, and it gives the bytes
// back.
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, decodeText, encodeText } from '../../src/base/index.ts';
import { property } from '../support/property.ts';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** What the platform says of bytes that are UTF-8; undefined when they are not. */
function utf8(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? strict.decode(bytes) : undefined;
}

describe('bytes as strings', () => {
  it('byte strings of one and two bytes, and around every edge of three and four, go back and forth, and no two are alike', () => {
    const edges = [
      0x00, 0x2f, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbb, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed,
    ];
    const more = [0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xf7, 0xf8, 0xff];
    const around = [...edges, ...more];
    const seen = new Set<string>();
    let sequences = 0;
    const check = (...values: number[]): void => {
      const bytes = Uint8Array.from(values);
      const text = decodeText(bytes);
      sequences++;
      seen.add(text);
      if (Buffer.compare(encodeText(text), bytes) !== 0) throw new Error(`${values.join(' ')} became ${text}`);
      const plain = utf8(bytes);
      if (plain !== undefined && plain !== text) throw new Error(`${values.join(' ')} is ${plain}, not ${text}`);
      if ((plain === undefined) !== /[\udc80-\udcff]/u.test(text)) throw new Error(`${values.join(' ')} is ${text}`);
    };
    for (let first = 0; first < 256; first++) {
      check(first);
      for (let second = 0; second < 256; second++) check(first, second);
    }
    for (const a of around) for (const b of around) for (const c of around) check(a, b, c);
    for (const a of [0xef, 0xf0, 0xf4, 0xf5])
      for (const b of around) for (const c of around) for (const d of around) check(a, b, c, d);
    expect(sequences).toBe(256 + 65_536 + 26 ** 3 + 4 * 26 ** 3);
    expect(seen.size).toBe(sequences);
  });

  it('U+FEFF at the beginning of a text stays, as anywhere', () => {
    for (const text of ['\ufeff', '\ufeffname', 'na\ufeffme']) expect(decodeText(encodeText(text))).toBe(text);
    expect([...encodeText('\ufeff')]).toEqual([0xef, 0xbb, 0xbf]);
  });

  it('a surrogate that stands for no byte becomes U+FFFD, one that does becomes the byte', () => {
    for (const text of ['\ud800', '\udbff', '\udc00', '\udc7f', '\udd00', '\udfff']) {
      expect([...encodeText(text)]).toEqual([0xef, 0xbf, 0xbd]);
      expect(canonicalText(text)).toBe('\ufffd');
    }
    expect([...encodeText('a\udc80\udcff\u{10080}')]).toEqual([0x61, 0x80, 0xff, 0xf0, 0x90, 0x82, 0x80]);
    // Two bytes that are a character together.
    expect(canonicalText('\udcc3\udca9')).toBe('é');
  });

  property('bytes of any kind come back from a string as they were', fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const text = decodeText(bytes);
    expect(Buffer.from(encodeText(text))).toEqual(Buffer.from(bytes));
    expect(canonicalText(text)).toBe(text);
    if (utf8(bytes) !== undefined) expect(text).toBe(utf8(bytes));
  });

  const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe010 })));
  property('a string of any kind comes back from bytes as it was', units, (codes) => {
    const text = String.fromCharCode(...codes);
    const canonical = canonicalText(text);
    expect(Buffer.from(encodeText(canonical))).toEqual(Buffer.from(encodeText(text)));
    expect(decodeText(encodeText(text))).toBe(canonical);
    // Joined by what is ASCII, the parts of a path are what they were.
    expect(canonicalText(`${text}/${text}`)).toBe(`${canonical}/${canonical}`);
  });
});
