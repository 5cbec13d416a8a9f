/**
 * Byte layouts: one table of fields from which the codec, the offset assertions and the reference page are derived.
 *
 * A layout is a list of fields in order, each with a width; offsets follow. All numbers are little-endian. Reserved
 * fields must be zero: `reservedIsZero` tells. 64-bit fields are read as numbers and must stay below 2^53.
 */

import { assert } from './assert.ts';

/** Who stores a field, for the reference page. */
export type Writer = 'hypervisor' | 'guest' | 'tool stack' | 'mkfs' | 'file system';

/** One field of a layout. */
export interface Field<Name extends string = string> {
  readonly name: Name;
  /** Width of one element in bytes. */
  readonly width: 1 | 2 | 4 | 8;
  /** Number of elements; 1 unless told. More than one element makes an array of `width`-byte elements. */
  readonly count?: number;
  readonly writer?: Writer;
  readonly meaning: string;
  /** Must be zero. */
  readonly reserved?: true;
}

/** A byte layout with the derived offsets. */
export interface Layout<Name extends string = string> {
  readonly title: string;
  readonly size: number;
  readonly fields: readonly Field<Name>[];
  /** Offset of each field from the start of the structure, in bytes. */
  readonly offset: Readonly<Record<Name, number>>;
  /** Width of an element of each field, in bytes. */
  readonly width: Readonly<Record<Name, Field['width']>>;
}

/**
 * Derives the offsets of a layout.
 * @throws InvariantViolation when the fields do not add up to `size` or a field is not aligned to its width
 */
export function defineLayout<const Name extends string>(
  title: string,
  size: number,
  fields: readonly Field<Name>[],
): Layout<Name> {
  const offsets: [Name, number][] = [];
  let at = 0;
  for (const field of fields) {
    assert(at % field.width === 0, `layout ${title}: ${field.name} at ${at} is not aligned to ${field.width}`);
    offsets.push([field.name, at]);
    at += field.width * (field.count ?? 1);
  }
  assert(at === size, `layout ${title}: fields add up to ${at}, not ${size}`);
  // At once: an object to which so many properties are added one by one is a hash table, searched at every access.
  const offset = Object.fromEntries(offsets) as Record<Name, number>;
  const width = Object.fromEntries(fields.map((field) => [field.name, field.width])) as Record<Name, Field['width']>;
  return { title, size, fields, offset, width };
}

/** Reads one element of a field as an unsigned number. `base` is the offset of the structure in `bytes`. */
export function getField<Name extends string>(
  layout: Layout<Name>,
  bytes: Uint8Array,
  base: number,
  name: Name,
  element = 0,
): number {
  const width = layout.width[name];
  const at = base + layout.offset[name] + element * width;
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}

/** Writes one element of a field. The value must be an unsigned integer that fits. */
export function putField<Name extends string>(
  layout: Layout<Name>,
  bytes: Uint8Array,
  base: number,
  name: Name,
  value: number,
  element = 0,
): void {
  const width = layout.width[name];
  assert(
    Number.isSafeInteger(value) && value >= 0 && (width === 8 || value < 256 ** width),
    `layout ${layout.title}: ${name} does not hold ${value}`,
  );
  const at = base + layout.offset[name] + element * width;
  let rest = value;
  for (let i = 0; i < width; i++) {
    bytes[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** Whether every reserved field of the structure at `base` is zero. */
export function reservedIsZero(layout: Layout, bytes: Uint8Array, base: number): boolean {
  for (const field of layout.fields) {
    if (!field.reserved) continue;
    const start = base + layout.offset[field.name]!;
    for (let i = 0; i < field.width * (field.count ?? 1); i++) if (bytes[start + i] !== 0) return false;
  }
  return true;
}

/** The layout as a Markdown table, as the reference page prints it. */
export function layoutTable(layout: Layout): string {
  const rows = layout.fields.map((field) => {
    const type = `u${field.width * 8}${field.count === undefined ? '' : ` × ${field.count}`}`;
    const meaning = field.reserved ? `${field.meaning}; must be zero` : field.meaning;
    return `| ${layout.offset[field.name]!} | ${type} | \`${field.name}\` | ${field.writer ?? '—'} | ${meaning} |`;
  });
  return [
    `### ${layout.title} (${layout.size} bytes)`,
    '',
    '| offset | type | field | written by | meaning |',
    '|---:|---|---|---|---|',
    ...rows,
  ].join('\n');
}
