/**
 * What a guest's files must be, over reboots, crashes and losses of power.
 *
 * After a crash the model knows only what is sure (ModelFs). On ext3 it then learns the rest from
 * the guest, syncs it, and goes on. On ext2 it is over. Without an e2fsck, free blocks of the
 * disk may be in use, and what a guest writes there harms other files.
 */

import { EXT2_COMPAT, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../format/ext2.ts';
import { ModelError } from '../../base/errno.ts';
import { getField } from '../../base/layout.ts';
import {
  type Disk,
  Machine,
  type MachineOptions,
  type MachineReboot,
  type Process,
  type RebootReport,
  type Syscalls,
} from '../machine/index.ts';
import { checkObject } from '../../base/argument-error.ts';
import { type SureEntry, ModelFs } from './model-fs.ts';
import { kindOf, namesIn, readWhole, same, show } from './play-calls.ts';

/** The directory of the guest that is the model's root. */
export const HOME = '/model';

/** Reboots after which the guest that was there goes on. */
const CONTINUING: readonly MachineReboot['hypervisor'][] = ['warm-vm', 'save-restore', 'live-migration'];

/** The state of a run of `guestCommands`. */
export class GuestModel {
  /** Whether the guest's file system has a journal. */
  readonly hasJournal: boolean;
  /** @internal */
  fs = new ModelFs();
  /** Whether nothing can be said any more: ext2, after a crash. */
  isOver = false;

  /** @internal */
  constructor(hasJournal: boolean) {
    this.hasJournal = hasJournal;
  }

  /** @internal A machine was rebooted: compares what must be there. */
  rebooted(machine: Machine, { crash = false, hypervisor }: MachineReboot, { continued }: RebootReport): void {
    if (continued) return;
    if (crash || CONTINUING.includes(hypervisor)) this.crashed(machine);
    else this.fs.sync();
  }

  /** @internal The guest of a machine has come up after a crash or a loss of power. */
  crashed(machine: Machine): void {
    const sure = this.fs.sure();
    machine.run((sys) => compareSure(sys, sure, HOME));
    this.isOver = !this.hasJournal;
    if (this.isOver) return;
    this.fs = machine.run(readModel);
    machine.sys.sync();
  }
}

/** A machine, and what its files should be. */
export interface ModelledGuest {
  /** What they should be. */
  readonly model: GuestModel;
  /** The machine. */
  readonly real: Machine;
}

/**
 * A machine and the model of its files, for `fc.modelRun(() => startGuest(options), commands)`. The
 * model's root is the directory `/model`, which is made and synced.
 * @throws ArgumentError, InputError and GuestPanic as `Machine.boot` does
 */
export function startGuest(options: MachineOptions): ModelledGuest {
  checkObject('options', options);
  const real = Machine.boot(options);
  real.sys.mkdir(HOME);
  real.sys.sync();
  return { model: new GuestModel(hasJournal(options.disk)), real };
}

function hasJournal(disk: Disk): boolean {
  const features = getField(SUPERBLOCK, disk.read(0, 4096), EXT2_SUPERBLOCK_OFFSET, 's_feature_compat');
  return (features & EXT2_COMPAT.has_journal) !== 0;
}

/**
 * Throws an Error of one line unless the guest has what is sure.
 * @param home directory of the guest that is the model's root
 */
export function* compareSure(sys: Syscalls, sure: readonly SureEntry[], home: string): Process {
  for (const entry of sure) {
    const at = home + entry.path;
    try {
      const { mode } = yield* sys.lstat(at);
      if (kindOf(mode) !== entry.kind) throw new Error(`after a crash ${at} is no ${entry.kind}`);
      if (entry.kind === 'directory') {
        for (const name of yield* namesIn(sys, at))
          if (!entry.mayHold.has(name)) throw new Error(`after a crash ${at} holds ${name}, which was removed before`);
      } else {
        const seen = entry.kind === 'symlink' ? yield* sys.readlink(at) : yield* readWhole(sys, at);
        const expected = entry.kind === 'symlink' ? entry.text : (entry.bytes ?? seen);
        if (!same(seen, expected))
          throw new Error(`after a crash ${at} is ${show(seen)} and should be ${show(expected)}`);
      }
    } catch (error) {
      if (error instanceof ModelError)
        throw new Error(`after a crash ${at} is not there: ${error.message}`, { cause: error });
      throw error;
    }
  }
}

/** The guest's files as a model, in which everything is sure. */
function* readModel(sys: Syscalls): Process<ModelFs> {
  const model = new ModelFs();
  const paths = new Map<number, string>();
  const read = function* (path: string): Process {
    for (const name of yield* namesIn(sys, HOME + path)) {
      const at = `${path}/${name}`;
      const { mode, ino } = yield* sys.lstat(HOME + at);
      const kind = kindOf(mode);
      const other = paths.get(ino);
      if (kind === 'directory') {
        model.mkdir(at);
        yield* read(at);
      } else if (other !== undefined) model.link(other, at);
      else if (kind === 'symlink') model.symlink(yield* sys.readlink(HOME + at), at);
      else {
        model.create(at, true);
        model.write(at, 0, yield* readWhole(sys, HOME + at));
      }
      paths.set(ino, at);
    }
  };
  yield* read('');
  model.sync();
  return model;
}
