/**
 * Edits of bytes that know the structures in them. A field gets a value at an edge, or that of a
 * neighbour. Records are copied, swapped, zeroed, or taken from another specimen. Bits flip. The
 * end is cut off.
 *
 * The structures are those of the layouts (base/layout.ts), each with its place, and with what
 * makes its checksum right again.
 */

import type { Field, Layout } from '../../base/layout.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { RandomStream } from '../../sim/index.ts';
import type { Edit, FuzzCase } from './kind.ts';

/** Equal records in a row. */
export interface Structure {
  readonly layout: Pick<Layout, 'size' | 'fields'> & { readonly offset: Readonly<Record<string, number>> };
  /** Where the first one begins. */
  readonly at: number;
  /** Records; 1 by default. */
  readonly count?: number;
  /** Fields have their highest byte first; false by default. */
  readonly isBigEndian?: boolean;
  /** Makes the checksum of the record at a place right. */
  readonly seal?: (bytes: Uint8Array, at: number) => void;
}

/** Bytes that a reader of a kind takes. */
export interface Specimen {
  readonly bytes: Uint8Array;
  readonly structures: readonly Structure[];
  /** Numbers that mean something here: counts, sizes, block numbers. */
  readonly numbers?: readonly number[];
  /** Whether the reader may be given fewer bytes: else what is cut off is zero. */
  readonly mayShrink?: true;
  /** Makes the checksums over more than a record right, after those of records. */
  readonly sealWhole?: (bytes: Uint8Array) => void;
}

/** The CRC-32C in the last four bytes of a record, over all before. */
export function sealLastWord(layout: Pick<Layout, 'size'>): (bytes: Uint8Array, at: number) => void {
  return (bytes, at) => {
    putNumber(bytes, at + layout.size - 4, 4, crc32c(bytes, at, layout.size - 4), false);
  };
}

const EDGES = [0, 1, 2, 3, 7, 8, 0x7f, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as const;
const MOST_EDITS = 6;

/** Draws a case over these specimens. */
export function drawBytes(random: RandomStream, specimens: readonly Specimen[]): FuzzCase {
  const specimen = random.below(specimens.length);
  const one = specimens[specimen]!;
  const count = random.below(3) === 0 ? 1 : 1 + random.below(MOST_EDITS);
  const edits = Array.from({ length: count }, () => drawEdit(random, one, specimens.length));
  return { specimen, repair: random.below(2) === 0, edits };
}

function drawEdit(random: RandomStream, specimen: Specimen, specimens: number): Edit {
  const { bytes } = specimen;
  const [structure, at] = pickRecord(random, specimen);
  const { size } = structure.layout;
  const kind = random.below(20);
  if (kind < 11) return drawSet(random, specimen, structure, at);
  if (kind < 13) return { op: 'flip', at: at + random.below(size), bit: random.below(8) };
  if (kind === 13) return { op: 'flip', at: random.below(bytes.length), bit: random.below(8) };
  if (kind === 14) return { op: 'zero', at, length: random.below(2) === 0 ? size : 1 + random.below(4 * size) };
  const other = structure.at + random.below(structure.count ?? 1) * size;
  if (kind === 15) return { op: 'copy', from: other, at, length: size };
  if (kind === 16) return { op: 'swap', from: other, at, length: size };
  if (kind === 17)
    return { op: 'noise', at: at + random.below(size), length: 1 + random.below(64), seed: random.u32() };
  if (kind === 18) return { op: 'cut', at: random.below(3) === 0 ? at : random.below(bytes.length) };
  return { op: 'splice', specimen: random.below(specimens), at, length: size * (1 + random.below(4)) };
}

function drawSet(random: RandomStream, specimen: Specimen, structure: Structure, at: number): Edit {
  const { layout, isBigEndian = false } = structure;
  const field = pick<Field>(random, layout.fields);
  const place = at + layout.offset[field.name]! + field.width * random.below(field.count ?? 1);
  const value = drawValue(random, specimen, structure, place, field.width);
  return { op: 'set', at: place, width: field.width, value, ...(isBigEndian && { big: 1 }) };
}

function drawValue(
  random: RandomStream,
  { bytes, numbers = [] }: Specimen,
  { layout, count = 1, at: first, isBigEndian = false }: Structure,
  place: number,
  width: number,
): number {
  const old = getNumber(bytes, place, width, isBigEndian);
  const kind = random.below(8);
  if (kind < 3) return pick(random, EDGES);
  if (kind === 3) return Math.max(0, old + (random.below(2) === 0 ? 1 : -1));
  if (kind === 4) return old < 2 ** 32 ? (old ^ (1 << random.below(8 * Math.min(width, 4)))) >>> 0 : 0;
  if (kind === 5 && numbers.length > 0) return Math.max(0, pick(random, numbers) + random.below(3) - 1);
  // The same field of another record.
  if (kind === 6 && count > 1) {
    const within = (place - first) % layout.size;
    return getNumber(bytes, first + random.below(count) * layout.size + within, width, isBigEndian);
  }
  return random.u32();
}

function pickRecord(random: RandomStream, { structures }: Specimen): [Structure, number] {
  const structure = pick(random, structures);
  return [structure, structure.at + random.below(structure.count ?? 1) * structure.layout.size];
}

export function pick<T>(random: RandomStream, from: readonly T[]): T {
  return from[random.below(from.length)]!;
}

/** The bytes of a case: a copy of the specimen with the edits, of its length or shorter. */
export function editedBytes({ specimen, repair, edits }: FuzzCase, specimens: readonly Specimen[]): Uint8Array {
  const one = specimens[specimen % specimens.length]!;
  const bytes = one.bytes.slice();
  const end = editInPlace(bytes, { specimen, repair, edits }, specimens);
  return one.mayShrink === true ? bytes.subarray(0, end) : bytes;
}

/**
 * Makes the edits in bytes that equal the specimen's. Returns where the end was cut off; what is
 * behind it is zero.
 */
export function editInPlace(bytes: Uint8Array, fuzzCase: FuzzCase, specimens: readonly Specimen[]): number {
  const { edits, repair } = fuzzCase;
  const one = specimens[fuzzCase.specimen % specimens.length]!;
  let end = bytes.length;
  const touched: [from: number, to: number][] = [];
  for (const edit of edits) {
    const [from, to] = apply(bytes, edit, specimens);
    touched.push([from, to]);
    if (edit.op === 'cut') end = Math.min(end, from);
  }
  if (repair) {
    for (const structure of one.structures) sealTouched(bytes, structure, touched);
    one.sealWhole?.(bytes);
  }
  return end;
}

function sealTouched(bytes: Uint8Array, { layout, at, count = 1, seal }: Structure, touched: [number, number][]): void {
  if (seal === undefined) return;
  const { size } = layout;
  for (const [from, to] of touched) {
    const first = Math.max(0, Math.floor((from - at) / size));
    const last = Math.min(count - 1, Math.floor((to - 1 - at) / size));
    for (let n = first; n <= last; n++) seal(bytes, at + n * size);
  }
}

/** One edit. Returns the bytes that it may have changed. */
function apply(bytes: Uint8Array, edit: Edit, specimens: readonly Specimen[]): [from: number, to: number] {
  const number = (name: string, below: number): number => Math.abs(Math.trunc(Number(edit[name] ?? 0) || 0)) % below;
  const at = number('at', bytes.length);
  const length = Math.min(bytes.length - at, number('length', bytes.length + 1));
  const from = number('from', bytes.length);
  const moved = Math.min(length, bytes.length - from);
  switch (edit.op) {
    case 'set': {
      const width = Math.min(number('width', 9), bytes.length - at);
      putNumber(bytes, at, width, number('value', 2 ** 53), number('big', 2) === 1);
      return [at, at + width];
    }
    case 'flip':
      bytes[at]! ^= 1 << number('bit', 8);
      return [at, at + 1];
    case 'copy':
      bytes.copyWithin(at, from, from + moved);
      return [at, at + moved];
    case 'swap': {
      const [one, other] = [bytes.slice(at, at + moved), bytes.slice(from, from + moved)];
      bytes.set(one, from);
      bytes.set(other, at);
      return [Math.min(at, from), Math.max(at, from) + moved];
    }
    case 'noise': {
      let word = number('seed', 2 ** 32) | 1;
      for (let i = at; i < at + length; i++) {
        word = Math.imul(word, 0x9e37_79b1) ^ (word >>> 15);
        bytes[i] = word >>> 9;
      }
      return [at, at + length];
    }
    case 'cut':
      bytes.fill(0, at);
      return [at, bytes.length];
    case 'splice': {
      const other = specimens[number('specimen', specimens.length)]!.bytes.subarray(at, at + length);
      bytes.set(other, at);
      return [at, at + other.length];
    }
    default:
      bytes.fill(0, at, at + length);
      return [at, at + length];
  }
}

function getNumber(bytes: Uint8Array, at: number, width: number, isBigEndian: boolean): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[isBigEndian ? at + i : at + width - 1 - i] ?? 0);
  return value;
}

/** Stores the lower bytes of a value. */
export function putNumber(bytes: Uint8Array, at: number, width: number, value: number, isBigEndian: boolean): void {
  let rest = value;
  for (let i = 0; i < width; i++) {
    bytes[isBigEndian ? at + width - 1 - i : at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
