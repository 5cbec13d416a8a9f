/**
 * The scopes that are searched by default. The first is as wide as the bound of states
 * allows. The others are small enough to be searched to their end, each with something else in it.
 */

import { DEFAULT_SCOPE, type Scope } from './options.ts';

/** One page, one transfer at a time, and nothing but guests. */
const NARROW: Scope = {
  ...DEFAULT_SCOPE,
  files: 1,
  pages: 1,
  frames: 3,
  blocks: 2,
  transfers: 1,
  faults: 0,
  start: 'blank',
  events: ['store'],
};

/** Scopes by name. */
export const SCOPES: Readonly<Record<string, Scope>> = {
  /** Two files of two pages, four frames, two writers, and everything that can happen. */
  wide: DEFAULT_SCOPE,
  /** A file whose pages move on the disk, over restarts of guest and hypervisor. */
  places: { ...NARROW, pages: 2, events: ['store', 'map', 'reload'] },
  /** The same with a guest that keeps a page cache. */
  kernel: { ...NARROW, pages: 2, guest: 'kernel', events: ['store', 'map', 'reload'] },
  /** Two transfers in flight, also on one frame. */
  transfers: { ...NARROW, transfers: 2, reboots: 1 },
  /**
   * Frames that change hands, I/O errors, damaged records, and a disk that another machine writes
   * to.
   */
  faults: { ...NARROW, faults: 1, events: ['store', 'hand-over', 'elsewhere', 'io-error', 'early-damage', 'reload'] },
  /** Files that are deleted, and whose inodes are used again. */
  generations: { ...NARROW, files: 2, frames: 1, writers: 1, start: 'warm', events: ['store', 'map', 'unlink'] },
  /** Two files of two pages in the cache of a kernel, which are written and written back. */
  files: { ...DEFAULT_SCOPE, transfers: 1, reboots: 1, faults: 0, guest: 'kernel', events: ['store', 'reload'] },
};
