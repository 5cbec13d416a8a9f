/**
 * Byte layouts: one table of fields from which the codec, the offset assertions and the reference
 * page are derived.
 *
 * A layout is a list of fields in order, each with a width; the offsets follow. The codec here is
 * little-endian. A big-endian format derives its offsets from a layout and has a codec of its own
 * (format/jbd.ts). Reserved fields must be zero, which `reservedIsZero` checks. 64-bit fields are
 * read as numbers and must stay below 2^53.
 *
 * A structure with frame numbers has a layout for each architecture, with the same names and the
 * same size.
 */

import type { Arch, FrameNumberBytes } from './arch.ts';
import { assert, InvariantViolation } from './assert.ts';

/** What stores a field, for the reference page. */
export type FieldWriter = 'hypervisor' | 'guest' | 'tool stack' | 'mkfs' | 'file system';

/** One field of a layout. */
export interface Field<Name extends string = string> {
  /** Its name. */
  readonly name: Name;
  /** Width of one element in bytes. */
  readonly width: 1 | 2 | 4 | 8;
  /**
   * Number of elements; 1 by default. More than one makes an array of elements of `width` bytes.
   */
  readonly count?: number;
  /** Who stores it. */
  readonly writer?: FieldWriter;
  /** What it says. */
  readonly meaning: string;
  /** Must be zero. */
  readonly reserved?: true;
}

/** A byte layout with the derived offsets. */
export interface Layout<Name extends string = string> {
  /** What it is a layout of. */
  readonly title: string;
  /** Bytes. */
  readonly size: number;
  /** The fields, in their order. */
  readonly fields: readonly Field<Name>[];
  /** Offset of each field from the start of the structure, in bytes. */
  readonly offset: Readonly<Record<Name, number>>;
  /** Width of an element of each field, in bytes. */
  readonly width: Readonly<Record<Name, Field['width']>>;
}

/**
 * Derives the offsets of a layout.
 * @throws InvariantViolation when the fields do not add up to `size` or a field is not aligned to
 * its width
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
  // Made in one go: an object that gets many properties one by one becomes a hash table.
  const offset = Object.fromEntries(offsets) as Record<Name, number>;
  const width = Object.fromEntries(fields.map((field) => [field.name, field.width])) as Record<Name, Field['width']>;
  return { title, size, fields, offset, width };
}

/** A structure whose layout depends on the width of frame numbers. */
export type ArchLayouts<Name extends string = string> = Readonly<Record<Arch, Layout<Name>>>;

/** @param fields the fields when a frame number has this many bytes */
export function defineArchLayouts<const Name extends string>(
  title: string,
  size: number,
  fields: (frameBytes: FrameNumberBytes) => readonly Field<Name>[],
): ArchLayouts<Name> {
  return { x86_64: defineLayout(title, size, fields(8)), x86_32: defineLayout(title, size, fields(4)) };
}

/** The little-endian word of 16 bits at byte `at`. */
export function getU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** The little-endian word of 32 bits at byte `at`. */
export function getU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Stores the low 16 bits of a value. */
export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** Stores the low 32 bits of a value. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/**
 * Reads one element of a field as an unsigned number. `base` is the offset of the structure in
 * `bytes`.
 */
export function getField<Name extends string>(
  layout: Layout<Name>,
  bytes: Uint8Array,
  base: number,
  name: Name,
  element = 0,
): number {
  const width = layout.width[name];
  const at = base + layout.offset[name] + element * width;
  if (width === 4 && at + 4 <= bytes.length) return getU32(bytes, at);
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
  const at = base + layout.offset[name] + element * width;
  if (width === 4 && value >>> 0 === value) {
    putU32(bytes, at, value);
    return;
  }
  // No message is made for a value that fits (see hot-paths 9).
  if (!(Number.isSafeInteger(value) && value >= 0 && (width === 8 || value < 256 ** width)))
    throw new InvariantViolation(`layout ${layout.title}: ${name} does not hold ${value}`);
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

/** The first field of the structure at `base` that holds a number of more than 32 bits. */
export function overlongField<Name extends string>(
  layout: Layout<Name>,
  bytes: Uint8Array,
  base: number,
): Name | undefined {
  return layout.fields.find(({ name, width, count = 1 }) => {
    if (width !== 8) return false;
    for (let i = 0; i < count; i++) if (getField(layout, bytes, base, name, i) >= 2 ** 32) return true;
    return false;
  })?.name;
}

/** The layout as a Markdown table, as the reference page prints it. */
export function layoutTable(layout: Layout): string {
  const rows = layout.fields.map((field) => `| ${placeOf(layout, field)} | ${describe(field)} |`);
  return [
    `### ${layout.title} (${layout.size} bytes)`,
    '',
    '| offset | type | field | written by | meaning |',
    '|---:|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** The layouts of both architectures, side by side. */
export function archLayoutTable({ x86_64: wide, x86_32: narrow }: ArchLayouts): string {
  const rows = wide.fields.map(
    (field, i) => `| ${placeOf(wide, field)} | ${placeOf(narrow, narrow.fields[i]!)} | ${describe(field)} |`,
  );
  return [
    `### ${wide.title} (${wide.size} bytes)`,
    '',
    '| x86_64 offset | type | x86_32 offset | type | field | written by | meaning |',
    '|---:|---|---:|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function placeOf(layout: Layout, { name, width, count }: Field): string {
  return `${layout.offset[name]!} | u${width * 8}${count === undefined ? '' : ` × ${count}`}`;
}

function describe({ name, writer, meaning, reserved }: Field): string {
  return `\`${name}\` | ${writer ?? '—'} | ${reserved ? `${meaning}; must be zero` : meaning}`;
}
