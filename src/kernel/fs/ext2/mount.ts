/**
 * How a mount finds its journal (ext3_load_journal of fs/ext3/super.c, 2.6.12): the inode is read,
 * a crash's log is replayed, and the journal is loaded. What changes the file system is built on
 * the journal that this returns; on ext2, and read-only, it is the one that keeps nothing.
 */

import { counted } from '../../../base/counted.ts';
import { ModelError } from '../../../base/errno.ts';
import { Ino, type Pfn } from '../../../base/units.ts';
import { EXT2_MODE } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { Mapping } from '../../cache/mapping.ts';
import type { Buffers } from '../buffer.ts';
import type { FsCore } from '../core.ts';
import type { DentryCache } from '../dcache.ts';
import type { InodeCache } from '../inode.ts';
import { Jbd, type JournalClient } from '../jbd/jbd.ts';
import { type Journal, NoJournal } from '../jbd/journal.ts';
import { JournaledBuffers } from '../jbd/journaled-buffers.ts';
import { type JournalFile, JournalLog } from '../jbd/log.ts';
import { recoverJournal } from '../jbd/recovery.ts';
import { Ext2Changes } from './change.ts';
import { type NamingPolicy, readInode } from './iget.ts';
import type { Ext2Inode, Ext2InodeFields } from './inode-info.ts';
import { Ext2State } from './state.ts';
import { type BlockCopies, Ext2Super } from './super.ts';

/** What a mount takes. */
export interface Ext2Mount {
  readonly policy: NamingPolicy;
  /** Sectors of the device. */
  readonly sectorCount: number;
  readonly inodes: InodeCache<Ext2Inode>;
  readonly dentries: DentryCache;
  readonly copies: BlockCopies;
}

/** What the file system is built on. */
interface Mounted {
  readonly state: Ext2State;
  readonly buffers: Buffers;
  readonly journal: Journal;
  /** As it was read; undefined: there is no journal on the disk. */
  readonly journalInode: InodeOnDisk | undefined;
}

interface InodeOnDisk {
  readonly fields: Ext2InodeFields;
  /** Slab object that it is to lie in. */
  readonly object: Pfn;
}

/**
 * Reads the superblock, and mounts the journal if there is one.
 * @param direct buffers of the device, which go straight to their places
 */
export function* mountJournal(core: FsCore, mount: Ext2Mount, direct: Buffers): Process<Mounted> {
  const { writeback } = core;
  const { inodes } = mount;
  const none = new NoJournal(core);
  const first = yield* Ext2State.read(core, direct);
  const { journalInode: number } = first.geometry;
  if (number === 0) {
    writeback.startRegistering();
    return { state: first, buffers: direct, journal: none, journalInode: undefined };
  }
  // Only reads, to find the log.
  const reader = new Ext2Changes(core, new Ext2Super(first, direct, none, mount.copies));
  const journalInode = yield* readInode(core, inodes, reader.inodeTable, Ino(number), false);
  if (journalInode === undefined) throw new ModelError('EIO', `ext3: inode ${number} is in use before the mount`);
  const log = yield* JournalLog.open(core, direct, fileOf(reader, journalInode.fields));
  const { state, nextTid } = yield* replay(core, direct, first, log);
  if (state.isReadOnly) return { state, buffers: direct, journal: none, journalInode };
  writeback.startRegistering();
  const client = new Client(core, state, direct, inodes);
  const journal = yield* Jbd.load(core, client, direct, log, nextTid);
  return { state, buffers: new JournaledBuffers(core, direct.device, journal), journal, journalInode };
}

function fileOf({ map }: Ext2Changes, fields: Ext2InodeFields): JournalFile {
  const { ino, mode, size } = fields;
  return {
    ino,
    size,
    isRegular: (mode & EXT2_MODE.typeMask) === EXT2_MODE.regular,
    blockNow: (index) => map.blockNow({ ino, fields }, index),
    loadMetadata: (index) => map.loadMetadata({ ino, fields }, index),
  };
}

/**
 * What the log holds comes home, and the log is empty; an error that it notes becomes the file
 * system's.
 */
function* replay(
  core: FsCore,
  direct: Buffers,
  first: Ext2State,
  log: JournalLog,
): Process<{ state: Ext2State; nextTid: number }> {
  const { io, log: messages, writeback } = core;
  const { device } = direct;
  const { blockCount, needsRecovery } = first.geometry;
  let state = first;
  // A log that the superblock does not ask for is older than what was written since (journal_wipe).
  const recovered = yield* recoverJournal(log, direct, io, blockCount, needsRecovery, core.rules.revokes);
  const nextTid = recovered.nextSequence;
  if (needsRecovery || log.superblock.start !== 0) {
    yield* writeback.sync(device);
    writeback.throwError(device);
    yield* log.empty(nextTid, true);
    // What was read before may have been replaced.
    state = yield* Ext2State.read(core, direct);
    state.setNeedsRecovery(false);
    yield* direct.writeThrough(0);
    messages.say('info', 'ext3: recovery complete');
    const { copiesRevoked } = recovered;
    if (copiesRevoked > 0) messages.say('info', `ext3: ${counted(copiesRevoked, 'revoked block')} in the log left out`);
    if (!recovered.log.ok) state.fail(recovered.log.reason);
  }
  if (log.superblock.errno !== 0) {
    // ext3_clear_journal_err: what ended the journal is now known to the file system, and to
    // e2fsck.
    state.noteErrors();
    yield* direct.writeThrough(0);
    yield* log.clearError();
  }
  return { state, nextTid };
}

/** What the journal asks of the file system, which is built on it. */
class Client implements JournalClient {
  readonly #core: FsCore;
  readonly #state: Ext2State;
  readonly #direct: Buffers;
  readonly #inodes: InodeCache<Ext2Inode>;

  constructor(core: FsCore, state: Ext2State, direct: Buffers, inodes: InodeCache<Ext2Inode>) {
    this.#core = core;
    this.#state = state;
    this.#direct = direct;
    this.#inodes = inodes;
  }

  get isReadOnly(): boolean {
    return this.#state.isReadOnly;
  }

  /** Every dirty page of directories and of the device goes to its place. */
  *writeMetadata(): Process {
    const { writeback } = this.#core;
    const mappings: Mapping[] = [this.#direct.device];
    for (const inode of this.#inodes.all())
      if (inode.isDirectory && (inode.space.nrPages > 0 || inode.space.error !== undefined)) mappings.push(inode);
    for (const mapping of mappings) yield* writeback.writePages(mapping, true);
    for (const mapping of mappings) {
      yield* writeback.waitPages(mapping);
      writeback.throwError(mapping);
    }
    if (writeback.hasLostMetadata) throw new ModelError('EIO', 'metadata could not be written');
  }

  /** Before the first transaction, the superblock says that there will be something to replay. */
  *beginChanges(): Process {
    if (this.#state.isChanged) return;
    this.#state.beginChange();
    yield* this.#direct.writeThrough(0);
    yield* this.#core.writeback.flushDrive();
  }

  aborted(why: string): void {
    this.#core.log.say('crit', 'ext3: the journal has ended');
    this.#state.fail(why);
  }
}
