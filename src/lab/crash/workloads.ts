/**
 * The built-in workloads: small programs over a few files, each about one thing that a crash may
 * meet. They are calls as data, so that a model of the files stands beside each.
 *
 * All work below `/w`. What a disk holds at first is on the medium before the first call.
 */

import { ModelError } from '../../base/errno.ts';
import type { FileTree, Machine, MachineReboot, Process, Syscalls } from '../../doors/machine/index.ts';
import { contents } from '../../doors/testing/contents.ts';
import type { FileCall } from '../../doors/testing/file-calls.ts';
import { ModelFs } from '../../doors/testing/model-fs.ts';
import { isLabCall, type LabCall, playLabCall } from './lab-calls.ts';
import { answerOf, inGuest, inModel, same, show } from '../../doors/testing/play-calls.ts';
import type { Course } from './course.ts';

/** The directory that is the model's root. */
export const HOME = '/w';

/** A program over files. */
export interface Workload {
  /** Bytes of the files that are there at first. */
  readonly files: Readonly<Record<string, number>>;
  readonly calls: readonly (FileCall | LabCall)[];
  /** A reboot in order behind these calls, and the calls after it. By default there is none. */
  readonly reboot?: { readonly how: MachineReboot; readonly then: readonly FileCall[] };
}

const create = (path: string): FileCall => ({ do: 'create', path, exclusive: false });
const write = (path: string, at: number, length: number, salt: number): FileCall => ({
  ...{ do: 'write', path, at, length, salt },
});
const on = (what: 'read' | 'fsync' | 'fsyncDirectory' | 'unlink' | 'mkdir', path: string): FileCall => ({
  ...{ do: what, path },
});
const truncate = (path: string, size: number): FileCall => ({ do: 'truncate', path, size });
const writeOut = (path: string): FileCall => ({ do: 'writeOut', path });
const SYNC: FileCall = { do: 'sync' };
/** One page is dirty at the reboot, and one is clean. */
const REBOOTED: Pick<Workload, 'files' | 'calls'> = {
  files: { a: 4096, b: 4096 },
  calls: [on('read', '/a'), on('read', '/b'), write('/a', 100, 600, 12)],
};
const THEN: readonly FileCall[] = [on('read', '/a'), write('/b', 0, 300, 13), on('fsync', '/b')];

/** The workloads by name. */
export const WORKLOADS: Readonly<Record<string, Workload>> = {
  /** A new file, made durable. */
  'write-fsync': {
    files: { old: 5000 },
    calls: [create('/new'), write('/new', 0, 5000, 1), on('fsync', '/new'), on('fsyncDirectory', '/')],
  },
  /** A file that is replaced the safe way. */
  'rename-over': {
    files: { account: 4096 },
    calls: [
      ...[on('read', '/account'), create('/next'), write('/next', 0, 4096, 2), on('fsync', '/next')],
      ...[{ do: 'rename', path: '/next', to: '/account' } as const, on('fsyncDirectory', '/')],
    ],
  },
  /** A log that grows, flushed now and then. */
  'append-log': {
    files: { log: 3000 },
    calls: [0, 1, 2, 3].flatMap((n) => [
      write('/log', 3000 + n * 700, 700, n),
      ...(n % 2 ? [on('fsync', '/log')] : []),
    ]),
  },
  /** A file that is cut, and gets other bytes at the same place. */
  truncate: {
    files: { data: 12288 },
    calls: [
      ...[on('read', '/data'), truncate('/data', 4096), on('fsync', '/data')],
      ...[write('/data', 4096, 8192, 4), on('fsync', '/data')],
    ],
  },
  /** Stores through a shared mapping. */
  'mmap-store': {
    files: { map: 8192 },
    calls: [
      on('read', '/map'),
      { do: 'store', path: '/map', at: 100, length: 300, salt: 5, msync: true },
      { do: 'store', path: '/map', at: 5000, length: 64, salt: 6, msync: false },
      SYNC,
    ],
  },
  /** Inodes and blocks that are freed and used again at once. */
  reuse: {
    files: { one: 8192, two: 4096 },
    calls: [
      ...[on('read', '/one'), on('unlink', '/one'), create('/three'), write('/three', 0, 8192, 7), SYNC],
      ...[on('mkdir', '/d'), SYNC, { do: 'rmdir', path: '/d' } as const, create('/four'), write('/four', 0, 4096, 8)],
      ...[on('fsync', '/four'), on('read', '/three')],
    ],
  },
  /** A page that is changed while it is being written. */
  'write-again': {
    files: { data: 4096 },
    calls: [
      ...[write('/data', 0, 100, 16), { do: 'beginWriteOut', path: '/data' } as const],
      ...[write('/data', 200, 100, 17), on('fsync', '/data')],
    ],
  },
  /** A file that gets other blocks. */
  rewrite: {
    files: { data: 4096, other: 4096 },
    calls: [truncate('/data', 0), write('/data', 0, 4096, 14), writeOut('/data'), truncate('/other', 0)],
  },
  /** A block is freed, and then another file's. That one is committed by the fsync of a third. */
  'freed-block': {
    files: { other: 100 },
    calls: [
      ...[create('/one'), write('/one', 0, 4096, 19), on('fsync', '/one'), on('unlink', '/one')],
      ...[create('/two'), write('/two', 0, 4096, 20), on('fsync', '/two'), on('unlink', '/two'), SYNC],
      ...[create('/three'), write('/three', 0, 4096, 22), write('/other', 0, 10, 23), on('fsync', '/other')],
    ],
  },
  /** A file without a name that a program has open. */
  'open-unlinked': {
    files: { one: 8192, other: 100 },
    calls: [{ do: 'hold', path: '/one' }, on('unlink', '/one'), write('/other', 0, 10, 21), on('fsync', '/other')],
  },
  /** A block of a directory is journaled, freed, and then a file's. */
  revoke: {
    files: {},
    calls: [
      ...[on('mkdir', '/d'), SYNC, { do: 'rmdir', path: '/d' } as const, SYNC],
      ...[create('/file'), write('/file', 0, 4096, 18), on('fsync', '/file')],
    ],
  },
  /** A file in the place of another: it has the inode of that one, and other blocks. */
  replace: {
    files: { one: 4096, other: 4096 },
    calls: [
      ...[on('unlink', '/one'), create('/one'), write('/one', 0, 4096, 15), writeOut('/one'), truncate('/other', 0)],
    ],
  },
  /** The kernel goes wild while a page of names is dirty. */
  wild: { files: { one: 4096 }, calls: [create('/two'), { do: 'goWild', at: 24 }] },
  /** A record has the first words of another. */
  torn: {
    files: { one: 4096, two: 2000, other: 4096 },
    calls: [truncate('/other', 0), { do: 'tearRecord', from: '/two', to: '/one' }],
  },
  /** Nothing changes; pages come and go. */
  'read-only': {
    files: { a: 9000, b: 4096 },
    calls: [on('read', '/a'), on('read', '/b'), { do: 'dropCaches' }, on('read', '/a')],
  },
  /** A bit of everything. */
  mixed: {
    files: { a: 6000, b: 6000 },
    calls: [
      ...[on('read', '/a'), write('/a', 1000, 3000, 9), on('mkdir', '/d'), create('/d/x')],
      ...[write('/d/x', 0, 4500, 10), { do: 'rename', path: '/b', to: '/d/b' } as const, on('fsync', '/d/x')],
      ...[truncate('/a', 500), { do: 'symlink', path: '/l', to: 'a' } as const, SYNC],
      ...[on('unlink', '/d/b'), write('/a', 200, 9000, 11), writeOut('/a')],
    ],
  },
  /** The guest is rebooted in order, by its strategy. */
  reboot: { ...REBOOTED, reboot: { how: {}, then: THEN } },
  /** The hypervisor is rebooted in order, and the guest goes on. */
  'hand-over-vm': { ...REBOOTED, reboot: { how: { hypervisor: 'warm-vm' }, then: THEN } },
  /** The hypervisor is rebooted in order, and the next guest has the cache. */
  'hand-over-cache': { ...REBOOTED, reboot: { how: { hypervisor: 'warm-cache+metadata' }, then: THEN } },
};

/** What the disk holds at first. */
export function treeOf({ files }: Workload): FileTree {
  return { w: Object.fromEntries(Object.entries(files).map(([name, size]) => [name, contents(size, 0)])) };
}

/** The model of it: everything is sure. */
export function modelOf({ files }: Workload): ModelFs {
  const model = new ModelFs();
  for (const [name, size] of Object.entries(files)) {
    model.create(`/${name}`, true);
    model.write(`/${name}`, 0, contents(size, 0));
  }
  model.sync();
  return model;
}

/** Calls that make something sure, when they return. */
const SAVING: readonly FileCall['do'][] = ['fsync', 'fsyncDirectory', 'sync'];

/**
 * Plays a workload on a machine, beside its model. What a call changes is unsure in the model as
 * soon as the call begins. What it saves is sure when the call has returned.
 * @throws Error of one line where guest and model differ
 */
export function playWorkload(machine: Machine, { calls, reboot }: Workload, course: Course, hasJournal: boolean): void {
  machine.run((sys) => playCalls(machine, sys, calls, course, hasJournal));
  if (reboot === undefined) return;
  const { continued } = machine.reboot(reboot.how);
  // A guest that shuts down writes all it has.
  if (!continued) course.model.sync();
  machine.run((sys) => playCalls(machine, sys, reboot.then, course, hasJournal));
}

function* playCalls(
  machine: Machine,
  sys: Syscalls,
  calls: Workload['calls'],
  course: Course,
  hasJournal: boolean,
): Process {
  const { model } = course;
  for (const one of calls) {
    if (isLabCall(one)) {
      if (yield* playLabCall(machine, sys, HOME, one)) continue;
      return;
    }
    course.begins(one);
    const kind = { hasJournal };
    const saves = SAVING.includes(one.do);
    let expected: unknown = saves ? undefined : answerOf(() => inModel(model, one, kind));
    const seen = yield* answerIn(sys, one);
    if (saves) expected = answerOf(() => inModel(model, one, kind));
    if (!same(seen, expected))
      throw new Error(`${JSON.stringify(one)} is ${show(seen)} and should be ${show(expected)}`);
    course.ended(one, kind);
  }
}

function* answerIn(sys: Syscalls, one: FileCall): Process<unknown> {
  try {
    return yield* inGuest(sys, HOME, one);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.code;
  }
}
