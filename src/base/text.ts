/**
 * Strings that stand for bytes: names and paths, which are bytes on the disk and strings in a
 * program.
 *
 * Bytes that are UTF-8 are decoded as UTF-8, a leading U+FEFF included. A byte that belongs to no
 * character is the lone surrogate U+DC00 + byte, U+DC80 to U+DCFF, as in Python (PEP 383). So every
 * sequence of bytes has one string, and that string gives the same bytes again. Any other lone
 * surrogate stands for no byte and becomes U+FFFD.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Code unit of byte 0. */
const ESCAPE = 0xdc00;
/**
 * Smallest code point of a sequence of this many bytes; a smaller code point needs a shorter
 * sequence.
 */
const LEAST = [0, 0, 0x80, 0x800, 0x1_0000] as const;

/** The bytes that a string stands for. */
export function encodeText(text: string): Uint8Array {
  if (!hasSurrogate(text)) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const unit = character.codePointAt(0) ?? 0;
    if (unit >= ESCAPE + 0x80 && unit <= ESCAPE + 0xff) bytes.push(unit - ESCAPE);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/** The string that stands for these bytes, and for no others. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

/**
 * The string that `decodeText` gives for the bytes of this one. Two strings of the same bytes give
 * one result.
 */
export function canonicalText(text: string): string {
  return hasSurrogate(text) ? decodeText(encodeText(text)) : text;
}

/** A loop, because names are short and a regular expression costs several times as much. */
function hasSurrogate(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xf800) === 0xd800) return true;
  return false;
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) text += String.fromCharCode(ESCAPE + bytes[at++]!);
    else {
      text += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

/** Bytes of the character at `at`; 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc0 || first > 0xf7 || at + length > bytes.length) return 0;
  let point = first & (0x7f >>> length);
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i]!;
    if (byte >>> 6 !== 2) return 0;
    point = (point << 6) | (byte & 0x3f);
  }
  const isSurrogate = point >= 0xd800 && point <= 0xdfff;
  return point < LEAST[length] || point > 0x10_ffff || isSurrogate ? 0 : length;
}

/**
 * Goes on with an FNV-1a hash over the UTF-16 code units of a text.
 * @returns a signed integer of 32 bits
 */
export function hashText(text: string, hash: number): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
