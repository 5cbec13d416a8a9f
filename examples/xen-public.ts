/**
 * What a guest says to its hypervisor: the words of a batch of cache_map_op as lines of text. A
 * tracer needs them, or a kernel of your own that writes them. 13 lines of code.
 */

// In a project of your own: from 'stillwarm/xen/public'.
import {
  type CacheMapBatch,
  CacheMapOp,
  ENTRY_BLOCK,
  ENTRY_GENERATION,
  ENTRY_INDEX,
  ENTRY_INO,
  ENTRY_OP,
  ENTRY_PFN,
  ENTRY_WORDS,
  REASON_NAMES,
} from '../src/xen/public/index.ts';

const NAMES = new Map(Object.entries(CacheMapOp).map(([name, code]) => [code as number, name]));

/** Each entry on a line, as `claim 12/1/3 at block 99: ok`. */
export function linesOf(batch: CacheMapBatch): string[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const entry = batch.words.subarray(i * ENTRY_WORDS, (i + 1) * ENTRY_WORDS);
    const name = NAMES.get(entry[ENTRY_OP]!) ?? 'an unknown operation';
    const page = `${entry[ENTRY_INO]}/${entry[ENTRY_GENERATION]}/${entry[ENTRY_INDEX]}`;
    if (name === 'insert') return `insert ${page} in page ${entry[ENTRY_PFN]}`;
    if (name === 'claim')
      return `claim ${page} at block ${entry[ENTRY_BLOCK]}: ${REASON_NAMES[batch.result(i)] ?? 'an unknown answer'}`;
    if (name === 'discard') return `discard block ${entry[ENTRY_BLOCK]}`;
    return `${name} page ${entry[ENTRY_PFN]}`;
  });
}
