/**
 * One frame record: eight words, their check word, and the order in which they are stored.
 *
 * Publication. A reader may find the memory as it was at any instant (a crash, a reset). It must
 * then see the old record, the new one, or one that is invalid. Even a reader that ignored the
 * check word must never see a name or a block that was true neither before nor after. So each
 * writer stores in this order:
 *   1. `state` without the claims (named, preserved; provenance, dirty, crc) whose fields are about
 *      to change or end; skipped when there are none;
 *   2. the six fields;
 *   3. the check word of the new record;
 *   4. `state` of the new record: the commit. Cut after 1: one word differs from the old record,
 *      which the check word always detects. Cut within 2: what `state` still claims is backed by
 *      fields that do not change. Cut after 3: one word differs from the new record, detected.
 *
 * The check word is the sum of the seven words before it. Each is scattered by a bijection of its
 * own: rotated, multiplied by an odd number, folded. So two records that differ in one word only
 * always differ in the check word. That covers any byte, and any burst within a word. The terms do
 * not wait for each other, which is why this is no chain: each miss names a page twice. All zero
 * words give zero: memory that was never written is a table of free frames.
 *
 * The owner's page number is one word on both architectures, like an entry of Xen's M2P
 * (public/arch-x86_64.h). So a record stays 32 bytes.
 */

import { assert } from '../../base/assert.ts';
import type { DomId } from '../../base/units.ts';
import { FRAME_RECORD } from '../records/layouts.ts';

/** Words of a record, and their places: literals (see hot-paths 4), asserted against the layout. */
export const RECORD_WORDS = 8;
export const W_STATE = 0;
export const W_INO = 1;
export const W_GENERATION = 2;
export const W_INDEX = 3;
export const W_BLOCK = 4;
export const W_CRC = 5;
export const W_PFN = 6;
export const W_CHECK = 7;

assert(
  ['state', 'ino', 'generation', 'index', 'block', 'crc', 'pfn', 'check'].join() ===
    FRAME_RECORD.fields.map(({ name }) => name).join() && FRAME_RECORD.size === 4 * RECORD_WORDS,
  'the words of a frame record are in the order of its layout',
);

/** Masks of the state word. */
export const S_PROVENANCE = 0x3;
export const S_NAMED = 0x4;
export const S_PROTECTED = 0x8;
export const S_PRESERVED = 0x10;
export const S_CRC = 0x20;
export const S_DIRTY = 0x40;
export const S_RESERVED = 0x80;
/** Device and owner: what stays while a domain owns the frame. */
export const S_IDENTITY = 0xffff_ff00;
const DEVICE_SHIFT = 8;
const DEVICE_MASK = 0xff;
const OWNER_SHIFT = 16;

export const OWNER_NOBODY = 0;
export const OWNER_HYPERVISOR = 0xffff;

/** Owner field of a domain's frame records. */
export function ownerOfDomain(domid: DomId): number {
  return domid + 1;
}

/** State word of an owned frame of which nothing is known. */
export function identityOf(owner: number, device: number): number {
  return ((owner << OWNER_SHIFT) | (device << DEVICE_SHIFT)) >>> 0;
}

export function ownerOfState(state: number): number {
  return state >>> OWNER_SHIFT;
}

export function deviceOfState(state: number): number {
  return (state >>> DEVICE_SHIFT) & DEVICE_MASK;
}

function scatter(word: number, rotate: number, factor: number): number {
  const h = Math.imul((word << rotate) | (word >>> (32 - rotate)), factor);
  return h ^ (h >>> 15);
}

/** The state word's term of the check word. */
function scatterState(state: number): number {
  const h = Math.imul(state, 0x9e3779b1);
  return h ^ (h >>> 15);
}

// Everything below works on the record whose words begin at `at`, a multiple of RECORD_WORDS.
// Literal places: see hot-paths 4.
assert(
  [W_STATE, W_INO, W_GENERATION, W_INDEX, W_BLOCK, W_CRC, W_PFN, W_CHECK].join() === '0,1,2,3,4,5,6,7',
  'the literals of this file are the places of a record',
);

/** Check word over `state` and the six fields in place, as a signed number (see hot-paths 5). */
export function checkWord(words: Uint32Array, at: number, state: number): number {
  return (
    (scatterState(state) +
      scatter(words[at | 1]!, 5, 0x85ebca6b) +
      scatter(words[at | 2]!, 9, 0xc2b2ae35) +
      scatter(words[at | 3]!, 14, 0x27d4eb2f) +
      scatter(words[at | 4]!, 18, 0x165667b1) +
      scatter(words[at | 5]!, 23, 0xd3a2646d) +
      scatter(words[at | 6]!, 27, 0xfd7046c5)) |
    0
  );
}

/** Whether the record is intact: its check word matches and its reserved bits are zero. */
export function recordIsIntact(words: Uint32Array, at: number): boolean {
  const state = words[at]!;
  return (state & S_RESERVED) === 0 && (words[at | 7]! | 0) === checkWord(words, at, state);
}

/**
 * Replaces the whole record, in the order given above: it says whose frame it is, and nothing else.
 * The only writer that makes a check word anew: it has written all that the word covers.
 */
export function publishBlank(words: Uint32Array, at: number, identity: number, pfn: number): void {
  const old = words[at]!;
  const weaker = old & ~(S_PROVENANCE | S_CRC | S_DIRTY | S_NAMED | S_PRESERVED);
  if (weaker !== (old | 0)) words[at] = weaker;
  for (let field = W_INO; field < W_PFN; field++) words[at | field] = 0;
  words[at | 6] = pfn;
  // The five fields are zero, and so are their terms.
  words[at | 7] = scatterState(identity) + scatter(pfn, 27, 0xfd7046c5);
  words[at] = identity;
}

/** The state without the claims that a new state, block or checksum changes or ends. */
function weakened(words: Uint32Array, at: number, state: number, block: number, crc: number): number {
  const old = words[at + W_STATE]!;
  let weaker = old;
  if (
    (old & S_PROVENANCE) !== 0 &&
    ((state & S_PROVENANCE) === 0 || words[at + W_BLOCK] !== block || (old & ~state & S_CRC) !== 0)
  )
    weaker &= ~(S_PROVENANCE | S_CRC);
  if ((old & S_DIRTY) !== 0 && ((state & S_DIRTY) === 0 || words[at + W_BLOCK] !== block)) weaker &= ~(S_DIRTY | S_CRC);
  if ((weaker & S_CRC) !== 0 && words[at + W_CRC] !== crc) weaker &= ~(S_PROVENANCE | S_CRC);
  return weaker;
}

// Writers of parts of a record. They carry the check word on: what they change is taken from it and
// added anew. So a record that was damaged stays damaged, whatever is stored to it later.

/**
 * Replaces state, block and checksum, in the order given above. The state is as named and preserved
 * as before.
 */
export function writeProvenance(words: Uint32Array, at: number, state: number, block: number, crc: number): void {
  const old = words[at]!;
  const weaker = weakened(words, at, state, block, crc);
  const check =
    carriedOn(words[at | 7]!, old, state) +
    (scatter(block, 18, 0x165667b1) - scatter(words[at | 4]!, 18, 0x165667b1)) +
    (scatter(crc, 23, 0xd3a2646d) - scatter(words[at | 5]!, 23, 0xd3a2646d));
  if (weaker !== old) words[at] = weaker;
  words[at | 4] = block;
  words[at | 5] = crc;
  words[at | 7] = check;
  words[at] = state;
}

/**
 * Names a record and takes that it is preserved, in the order given above. Returns the state
 * before.
 */
export function writeName(words: Uint32Array, at: number, ino: number, generation: number, index: number): number {
  const old = words[at]!;
  const state = (old & ~S_PRESERVED) | S_NAMED;
  const check =
    carriedOn(words[at | 7]!, old, state) +
    (scatter(ino, 5, 0x85ebca6b) - scatter(words[at | 1]!, 5, 0x85ebca6b)) +
    (scatter(generation, 9, 0xc2b2ae35) - scatter(words[at | 2]!, 9, 0xc2b2ae35)) +
    (scatter(index, 14, 0x27d4eb2f) - scatter(words[at | 3]!, 14, 0x27d4eb2f));
  if ((old & S_NAMED) !== 0) words[at] = old & ~(S_NAMED | S_PRESERVED);
  words[at | 1] = ino;
  words[at | 2] = generation;
  words[at | 3] = index;
  words[at | 7] = check;
  words[at] = state;
  return old;
}

/**
 * Takes that a record is named and preserved; its name's words stay, and mean nothing. Returns the
 * state before.
 */
export function clearName(words: Uint32Array, at: number): number {
  const old = words[at]!;
  if ((old & S_NAMED) === 0) return old;
  const state = old & ~(S_NAMED | S_PRESERVED);
  words[at] = state;
  words[at | 7] = carriedOn(words[at | 7]!, old, state);
  return old;
}

/**
 * Marks a named record as preserved, or takes that. The check word is stored first.
 */
export function markPreserved(words: Uint32Array, at: number, preserved: boolean): void {
  const old = words[at]!;
  const state = preserved ? old | S_PRESERVED : old & ~S_PRESERVED;
  words[at | 7] = carriedOn(words[at | 7]!, old, state);
  words[at] = state;
}

/** Check word of a record of which nothing but the state changes. */
function carriedOn(check: number, old: number, state: number): number {
  return ((((check | 0) - scatterState(old)) | 0) + scatterState(state)) | 0;
}
