/**
 * The ablations of the crash lab. Each says what goes wrong without a protection of the hypervisor
 * or a rule of the guest, at one step of one workload. It is the first step at which it does.
 *
 * Where two guard against the same, nothing goes wrong while one of them is on. Then `also` says
 * which other one is off, and the two are a pair.
 */

import { LAWS } from './laws.ts';
import { type CrashOptions, type Guard, type Moment, replayLine, shownMoments } from './options.ts';

/** One ablation. */
export interface CrashAblation {
  readonly name: Guard;
  /** What it guards against, a phrase. */
  readonly guards: string;
  /** The other of a pair, and why it has to be off as well, in words. */
  readonly also?: { readonly name: Guard; readonly why: string };
  readonly workload: string;
  readonly fs: CrashOptions['fs'];
  readonly strategy: CrashOptions['strategy'];
  readonly kind: CrashOptions['kinds'][number];
  /** Before which steps it stops. */
  readonly at: readonly Moment[];
  /**
   * Of the control run, where the guest dies of what else goes wrong, or the drive's cache has
   * fewer blocks. `at` by default.
   */
  readonly controlAt?: readonly Moment[];
  /** The law that breaks, and how. */
  readonly law: keyof typeof LAWS;
  readonly what: string;
}

/** Of every ablation. */
const SEED = 1;
const before = (step: number): Moment => ({ step, lines: 0 });
const EXT3_COLD = { fs: 'ext3', strategy: 'cold' } as const;
const EXT2 = { fs: 'ext2', strategy: 'warm-cache+metadata', kind: 'guest' } as const;

export const CRASH_ABLATIONS: readonly CrashAblation[] = [
  {
    name: 'writeProtection',
    guards: 'stores that nothing sees',
    ...{ ...EXT2, workload: 'rewrite', at: [before(4)], law: 'pages' },
    what: 'page 0 of inode 0 (pfn 1182) was reused, but differs from block 0 at byte 1068',
  },
  {
    name: 'firstStoreTrap',
    guards: 'a trapped store after which the frame is still called clean',
    ...{ ...EXT2, workload: 'rewrite', at: [before(4)], law: 'pages' },
    what: 'page 0 of inode 0 (pfn 1182) was reused, but differs from block 0 at byte 1068',
  },
  {
    name: 'dirtyProtection',
    guards: 'a dying kernel that stores to dirty pages, which domain 0 then writes home',
    ...{ ...EXT2, strategy: 'rio+warm-cache', workload: 'wild', at: [before(105)], law: 'saved' },
    controlAt: [before(101)],
    what: 'after a crash /w/one is not there: ENOENT: no entry one in directory 12',
  },
  {
    name: 'provenance',
    guards: 'dirty pages',
    ...{ ...EXT2, workload: 'rewrite', at: [before(9)], law: 'pages' },
    what: 'page 0 of inode 0 (pfn 1182) was reused, but differs from block 0 at byte 1068',
  },
  {
    name: 'blockCheck',
    guards: 'a page that has been written to another block than the disk says',
    ...{ ...EXT2, workload: 'rewrite', at: [before(166)], law: 'pages' },
    what: 'page 0 of inode 13 (pfn 1195) was reused, but differs from block 12 at byte 0',
  },
  {
    name: 'generation',
    guards: 'a page of a new file whose inode is that of a file that the disk still has',
    also: { name: 'blockCheck', why: 'the new page lies at another block, for which it is refused as well' },
    ...{ ...EXT2, workload: 'replace', at: [before(231)], law: 'pages' },
    what: 'page 0 of inode 13 (pfn 1196) was reused, but differs from block 12 at byte 0',
  },
  {
    name: 'recordCheck',
    guards: 'a record of which only the first words were stored',
    ...{ ...EXT2, workload: 'torn', at: [before(126)], law: 'pages' },
    what: 'page 0 of inode 15 (pfn 1193) was reused, but differs from block 14 at byte 2000',
  },
  {
    name: 'consumedRecords',
    guards: 'a recovery that crashes, and begins again with the same',
    ...{ fs: 'ext3', strategy: 'warm-cache+metadata', kind: 'hypervisor', workload: 'hand-over-cache' },
    ...{ at: [before(19097), before(1)], law: 'once' },
    what: '12 pages are preserved again',
  },
  {
    name: 'flushBeforeReuse',
    guards: 'an evicted page that is used again under its old name',
    also: { name: 'blockCheck', why: 'the page equals another block, for which it is refused as well' },
    ...{ ...EXT2, workload: 'read-only', at: [before(121)], law: 'pages' },
    what: 'page 0 of inode 11 (pfn 1188) was reused, but differs from block 7 at byte 0',
  },
  {
    name: 'firstChange',
    guards: 'a log that the next mount does not know of',
    ...{ fs: 'ext3', strategy: 'warm-cache+metadata', kind: 'guest' },
    ...{ workload: 'write-fsync', at: [before(620)], law: 'saved' },
    what: 'after a crash /w/new is not there: ENOENT: no entry new in directory 12',
  },
  {
    name: 'flushBeforeCommit',
    guards: 'a commit block that reaches the medium before the log that it commits',
    ...{ ...EXT3_COLD, kind: 'power', workload: 'write-fsync', at: [{ ...before(488), kept: 129 }], law: 'boots' },
    controlAt: [before(488)],
    what: 'disk: EINVAL: ext2: no ext2 file system: s_magic is 0x0, not 0xef53',
  },
  {
    name: 'flushAfterCommit',
    guards: 'an fsync that returns before its commit block is on the medium',
    ...{ ...EXT3_COLD, kind: 'power', workload: 'write-fsync', at: [before(540)], law: 'saved' },
    what: 'after a crash /w/new is not there: ENOENT: no entry new in directory 12',
  },
  {
    name: 'revokes',
    guards: 'an old block of a directory that is replayed over the file that has its place now',
    ...{ ...EXT3_COLD, kind: 'guest', workload: 'revoke', at: [before(1323)], law: 'saved' },
    what: 'after a crash /w/file is 4096 bytes 0d0000000c0001022e0000000c000000 and should be 4096 bytes 2f363d444b525960676e757c838a9198',
  },
  {
    name: 'orderedData',
    guards: 'a new file that is committed before its data is written, and shows what a deleted one has left',
    ...{ ...EXT3_COLD, kind: 'guest', workload: 'freed-block', at: [before(1524)], law: 'strange' },
    what: '/w/three has at byte 0 what was never written there',
  },
  {
    name: 'frozenBlocks',
    guards: 'a block of a deleted file that is written over while the crash can still bring the file back',
    ...{ ...EXT3_COLD, kind: 'guest', workload: 'freed-block', at: [before(572)], law: 'strange' },
    what: '/w/one has at byte 0 what was never written there',
  },
  {
    name: 'orphanList',
    guards: 'a file without a name that was open at the crash, and keeps its inode and its blocks forever',
    ...{ ...EXT3_COLD, kind: 'guest', workload: 'open-unlinked', at: [before(315)], law: 'lost' },
    what: '1 inodes and 2 blocks belong to no file',
  },
];

/** What no crash shows, and why. */
export const NOT_CRASHED: readonly { readonly name: string; readonly why: string }[] = [
  { name: 'deviceIdentity', why: 'no other machine writes to the disk of this one' },
  { name: 'checksum', why: 'a crash changes no byte of a frame; `check faults` has the fault `bit-flip`' },
  { name: 'scrub', why: 'the machine has one guest, so no frame has another owner' },
  { name: 'cpuCacheFlush', why: 'the machine of this lab has no CPU cache' },
  {
    name: 'reserveBeforeAllocate',
    why: 'without it the guest of `hand-over-cache` does not boot, and no crash is needed',
  },
  {
    name: 'publicationOrder',
    why: 'a hypervisor that stops between two stores of a frame record has handed nothing over: the handover record is stored last. In a small machine one processor stops there, and another one judges the frames',
  },
];

/** A file of the corpus: a case that breaks a law without a protection, and none with it. */
export interface CrashCorpusEntry {
  readonly kind: 'crash';
  readonly law: string;
  readonly what: string;
  /** The line that finds it. */
  readonly replay: string;
  readonly case: {
    readonly options: Pick<CrashOptions, 'workload' | 'fs' | 'strategy' | 'kinds' | 'seed'> & { readonly at: string };
    /** What is switched off, and what besides in the control run as well. */
    readonly without: readonly Guard[];
    readonly control: readonly Guard[];
    /** Where the control run stops. */
    readonly controlAt: string;
  };
}

/** The text of its file. */
export function crashCorpusText(ablation: CrashAblation): string {
  const { name, also, workload, fs, strategy, kind, at, controlAt = at, law, what } = ablation;
  const control = also === undefined ? [] : [also.name];
  const entry: CrashCorpusEntry = {
    ...{ kind: 'crash', law: LAWS[law], what, replay: lineOf(ablation) },
    case: {
      options: { workload, fs, strategy, seed: SEED, kinds: [kind], at: shownMoments(at) },
      ...{ without: [name], control, controlAt: shownMoments(controlAt) },
    },
  };
  return `${JSON.stringify(entry, undefined, 2)}\n`;
}

/** The line that plays an ablation. */
export function lineOf({ name, also, workload, fs, strategy, kind, at }: CrashAblation): string {
  const without = also === undefined ? [name] : [name, also.name];
  return replayLine({ workload, fs, strategy, seed: SEED, without }, kind, at);
}
