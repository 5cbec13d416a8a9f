/**
 * The ablations: what each protection and each rule is for, shown by the shortest history that goes
 * wrong without it.
 *
 * An ablation has a scope in which it is shown, and `also`: what else is off there. Where one
 * guard of two is taken away nothing goes wrong, so the other one is off before. In each scope the
 * house as it is (less `also`) is searched to the same number of steps, and holds.
 */

import { DEFAULT_SCOPE, type Scope } from './options.ts';
import type { Without } from './stored-world.ts';

/** One ablation. */
export interface Ablation {
  /** As the command line says it. */
  readonly name: string;
  /** What is off: a protection of the hypervisor, a rule of the code, or a design. */
  readonly kind: 'protection' | 'hypervisor' | 'guest' | 'design';
  /** What it guards against, a phrase. */
  readonly guards: string;
  readonly off: Without;
  /** What is off as well, with and without it; and why, in words. */
  readonly also?: Without & { readonly why: string };
  readonly scope: Partial<Scope>;
  /** The law that breaks. */
  readonly law: string;
  /** Actions of the shortest history. */
  readonly steps: number;
}

/** One frame, one page, two blocks. */
export const SMALL: Scope = {
  ...DEFAULT_SCOPE,
  files: 1,
  pages: 1,
  frames: 1,
  blocks: 2,
  writers: 1,
  transfers: 1,
  reboots: 1,
  faults: 0,
  start: 'blank',
  events: ['store'],
};

/** The whole scope of an ablation. */
export function scopeOf({ scope }: Ablation): Scope {
  return { ...SMALL, ...scope };
}

/** What is off with an ablation, and in its control run. */
export function withoutOf({ off, also }: Ablation): { readonly ablated: Without; readonly control: Without } {
  const control = { protections: { ...also?.protections }, rules: { ...also?.rules } };
  return {
    ablated: {
      protections: { ...control.protections, ...off.protections },
      rules: { ...control.rules, ...off.rules },
    },
    control: also === undefined ? {} : control,
  };
}

const NO_BLOCKS = {
  protections: { blockCheck: false },
  why: 'a frame whose name is wrong is still refused for its block',
};

export const ABLATIONS: readonly Ablation[] = [
  {
    name: 'writeProtection',
    kind: 'protection',
    guards: 'stores that nothing sees',
    off: { protections: { writeProtection: false } },
    scope: {},
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'firstStoreTrap',
    kind: 'protection',
    guards: 'a trapped store after which the frame is still called clean',
    off: { protections: { firstStoreTrap: false } },
    scope: {},
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'provenance',
    kind: 'protection',
    guards: 'dirty pages',
    off: { protections: { provenance: false } },
    scope: {},
    law: 'takeover',
    steps: 5,
  },
  {
    name: 'blockCheck',
    kind: 'protection',
    guards: 'pages whose place on the disk has changed, and wrong names',
    off: { protections: { blockCheck: false } },
    scope: { events: ['map'] },
    law: 'takeover',
    steps: 8,
  },
  {
    name: 'generation',
    kind: 'protection',
    guards: 'pages of a deleted file whose inode is used again',
    off: { protections: { generation: false } },
    also: { ...NO_BLOCKS, why: 'the block of such a page is refused as well' },
    scope: { guest: 'kernel', events: ['unlink', 'grow'] },
    law: 'takeover',
    steps: 10,
  },
  {
    name: 'deviceIdentity',
    kind: 'protection',
    guards: 'a disk that was written to from elsewhere',
    off: { protections: { deviceIdentity: false } },
    scope: { faults: 1, events: ['elsewhere'] },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'checksum',
    kind: 'protection',
    guards: 'bytes that change in a preserved frame; it is off by default',
    off: { protections: { checksum: false } },
    also: { protections: { checksum: true }, why: 'it is on in the control run alone' },
    scope: { faults: 1, events: ['flip'] },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'scrub',
    kind: 'protection',
    guards: 'bytes that another owner reads',
    off: { protections: { scrub: false } },
    scope: { events: ['store', 'hand-over'], writers: 2, frames: 2 },
    law: 'blank',
    steps: 3,
  },
  {
    name: 'recordCheck',
    kind: 'protection',
    guards: 'damaged records',
    off: { protections: { recordCheck: false } },
    scope: { faults: 1, events: ['damage', 'map'] },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'cpuCacheFlush',
    kind: 'protection',
    guards: 'stores that a reset loses from the CPU cache',
    off: { protections: { cpuCacheFlush: false } },
    scope: { events: ['store', 'reload'] },
    law: 'takeover',
    steps: 8,
  },
  {
    name: 'reserveBeforeAllocate',
    kind: 'protection',
    guards: 'frames that the next hypervisor clears before it knows whose they are',
    off: { protections: { reserveBeforeAllocate: false } },
    scope: { events: ['reload'] },
    law: 'takeover',
    steps: 7,
  },
  {
    name: 'protectAtSubmission',
    kind: 'hypervisor',
    guards: 'stores while a transfer is in flight',
    off: { rules: { protectAtSubmission: false } },
    scope: {},
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'otherWrites',
    kind: 'hypervisor',
    guards: 'a block that another frame, or another guest, has written',
    off: { rules: { otherWrites: false } },
    scope: { writers: 2, frames: 2 },
    law: 'takeover',
    steps: 10,
  },
  {
    name: 'overlaps',
    kind: 'hypervisor',
    guards: 'transfers on one frame or one block whose order is not known',
    off: { rules: { overlaps: false } },
    scope: { writers: 2, frames: 2, transfers: 2 },
    law: 'takeover',
    steps: 10,
  },
  {
    name: 'failedTransfers',
    kind: 'hypervisor',
    guards: 'transfers that failed',
    off: { rules: { failedTransfers: false } },
    scope: { faults: 1, events: ['io-error'] },
    law: 'takeover',
    steps: 7,
  },
  {
    name: 'blankFrames',
    kind: 'hypervisor',
    guards: 'what was known of a frame under its last owner',
    off: { rules: { blankFrames: false } },
    scope: { events: ['hand-over'] },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'drain',
    kind: 'hypervisor',
    guards: 'a transfer that reaches a frame after it has changed hands',
    off: { rules: { drain: false } },
    scope: { events: [] },
    law: 'stray',
    steps: 4,
  },
  {
    name: 'revokeFirst',
    kind: 'hypervisor',
    guards: 'stores of the old guest after its frames were judged',
    off: { rules: { revokeFirst: false } },
    scope: { events: [] },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'flushBeforeReuse',
    kind: 'guest',
    guards: 'an evicted page that is used again under its old name',
    off: { rules: { flushBeforeReuse: false } },
    also: NO_BLOCKS,
    scope: { guest: 'kernel', pages: 2, blocks: 3, events: [] },
    law: 'takeover',
    steps: 12,
  },
  {
    name: 'nameUpToDate',
    kind: 'guest',
    guards: 'a page that is named before its contents have arrived',
    off: { rules: { nameUpToDate: false } },
    also: {
      protections: { provenance: false },
      why: 'a frame that no transfer has filled is refused for its provenance',
    },
    scope: { guest: 'kernel', faults: 1, events: ['io-error'] },
    law: 'takeover',
    steps: 7,
  },
  {
    name: 'publicationOrder',
    kind: 'hypervisor',
    guards: 'a record of which only a part was stored',
    off: { rules: { publicationOrder: false } },
    also: { protections: { recordCheck: false }, why: 'the check word refuses a record that was stored in part' },
    scope: { faults: 1, events: ['cut'] },
    law: 'takeover',
    steps: 8,
  },
  {
    name: 'setAside',
    kind: 'guest',
    guards: 'a preserved page that the next guest uses for something else',
    off: { rules: { setAside: false } },
    also: NO_BLOCKS,
    scope: { guest: 'kernel', pages: 2, blocks: 3, events: [] },
    law: 'takeover',
    steps: 11,
  },
  {
    name: 'freshMap',
    kind: 'guest',
    guards: 'claims by the map that the guest before had in memory',
    off: { rules: { freshMap: false } },
    scope: { events: ['map'] },
    law: 'takeover',
    steps: 8,
  },
  {
    name: 'deck',
    kind: 'design',
    guards: 'the design as the slides print it: the guest alone keeps the table, by name',
    off: {
      protections: { writeProtection: false, provenance: false, blockCheck: false, generation: false },
    },
    scope: { guest: 'kernel' },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'dirtyFlag',
    kind: 'design',
    guards:
      'Linux KHO: whether a page is dirty is asked when it is preserved, and pages stay writable until the freeze',
    off: { protections: { writeProtection: false }, rules: { revokeFirst: false } },
    scope: { events: [] },
    law: 'takeover',
    steps: 9,
  },
  {
    name: 'cleanFlag',
    kind: 'design',
    guards:
      'Apache Traffic Server: a shutdown that called itself clean while writers were live, and nothing looked further',
    off: { protections: { provenance: false } },
    scope: { guest: 'kernel', events: ['store', 'reload'] },
    law: 'takeover',
    steps: 8,
  },
  {
    name: 'nameAlone',
    kind: 'design',
    guards: 'Linux cleancache: a page that truncation did not invalidate, found by its name alone',
    off: { protections: { blockCheck: false, generation: false } },
    scope: { guest: 'kernel', events: ['map'] },
    law: 'takeover',
    steps: 10,
  },
];

/** Protections and rules of the house that no small scope can show, and why. */
export const NOT_SHOWN: readonly { readonly name: string; readonly why: string }[] = [
  {
    name: 'dirtyProtection',
    why: 'it guards what domain 0 writes home after a crash, and no page that is taken over: see the crash lab',
  },
  {
    name: 'firstChange',
    why: 'it marks the superblock, and the map of a small scope has none: see the crash lab',
  },
  {
    name: 'consumedRecords',
    why: 'it guards against a recovery that crashes again and again, which is no wrong page: see the crash lab',
  },
];

/** The ablation of a name. */
export function ablationOf(name: string): Ablation | undefined {
  return ABLATIONS.find((ablation) => ablation.name === name);
}
