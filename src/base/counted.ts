/** Integers in English text: commas between the thousands, and a noun that fits the number. */

/** 8500000 → 8,500,000 */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/**
 * A number and its noun: no files → `0 files`, `1 file`, `1,234 files`.
 * @param one what follows the number 1: a noun, or the noun and its verb
 * @param many what follows any other number; by default the noun with an s
 */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}
