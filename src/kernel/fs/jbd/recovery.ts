/**
 * Recovery of a journal after a crash (fs/jbd/recovery.c of 2.6.12): three passes over the log. The
 * first finds its end: the last transaction with a commit block. The second collects what was
 * revoked, and in which transaction. The third copies every block that was not revoked in its own
 * transaction or a later one to its place.
 *
 * What the log says may be garbage. A block beyond the file system is an error and is left out. No
 * pass goes round the ring more than once.
 */

import { DONE, err, type Result } from '../../../base/result.ts';
import { PAGE_SIZE } from '../../../base/units.ts';
import { descriptorTags, JBD_BLOCK, jbdBlockType, JBD_MAGIC, jbdWords, revokedBlocks } from '../../../format/jbd.ts';
import type { Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import type { JournalLog } from './log.ts';
import type { PageIo } from '../../cache/page-io.ts';
import { RA_MAX } from '../../mm/readahead.ts';

/** What recovery did. */
export interface Recovered {
  /** Sequence number of the next transaction. */
  readonly nextSequence: number;
  /** Blocks that were copied to their places. */
  readonly blocksReplayed: number;
  /** Copies in the log that were left out, because a later transaction had revoked the block. */
  readonly copiesRevoked: number;
  /** Whether all of the log made sense, or which part did not and was left out. */
  readonly log: Result;
}

/** A visitor of the log: what it does with each block of control. */
interface Visitor {
  descriptor?(block: Uint8Array, sequence: number, position: number): Process;
  revoke?(block: Uint8Array, sequence: number): void;
}

/**
 * journal_recover. The blocks that it changes are dirty buffers when it returns; the log is
 * untouched. Throws EIO.
 * @param isWanted false for journal_skip_recovery: the log is stale, and only its end is looked for
 * @param honoursRevokes whether blocks that were revoked are left out
 */
export function* recoverJournal(
  log: JournalLog,
  buffers: Buffers,
  io: PageIo,
  blockCount: number,
  isWanted: boolean,
  honoursRevokes: boolean,
): Process<Recovered> {
  const { start, sequence } = log.superblock;
  if (start === 0) return { nextSequence: (sequence + 1) >>> 0, blocksReplayed: 0, copiesRevoked: 0, log: DONE };
  const reader = new LogReader(log, buffers, io);
  const end = yield* walk(log, reader, Infinity, {});
  const nextSequence = (end + 1) >>> 0;
  if (!isWanted) {
    yield* reader.forget();
    return { nextSequence, blocksReplayed: 0, copiesRevoked: 0, log: DONE };
  }
  /** Sequence numbers go round: a transaction's age counts from the first in the log. */
  const age = (of: number): number => (of - sequence) >>> 0;
  const revoked = new Map<number, number>();
  yield* walk(log, reader, end, {
    revoke: (block, of) => {
      for (const each of revokedBlocks(block)) if (each < blockCount) revoked.set(each, age(of));
    },
  });
  let blocksReplayed = 0;
  let copiesRevoked = 0;
  let replayed: Result = DONE;
  const contents = new Uint8Array(PAGE_SIZE);
  yield* walk(log, reader, end, {
    *descriptor(block, of, position) {
      let at = position;
      for (const tag of descriptorTags(block)) {
        at = log.next(at);
        if (honoursRevokes && (revoked.get(tag.block) ?? -1) >= age(of)) {
          copiesRevoked++;
          continue;
        }
        if (tag.block >= blockCount) {
          replayed = err(`ext3: journal: block ${tag.block} lies beyond the file system`);
          continue;
        }
        yield* reader.read(at, contents);
        if (tag.escaped) jbdWords(contents).setUint32(0, JBD_MAGIC);
        buffers.copyIn(yield* buffers.getblk(tag.block), 0, contents, PAGE_SIZE);
        blocksReplayed++;
      }
    },
  });
  yield* reader.forget();
  return { nextSequence, blocksReplayed, copiesRevoked, log: replayed };
}

/**
 * do_one_pass up to and without transaction `end`. Returns the transaction at which the log ends:
 * the first one that has no commit block.
 */
function* walk(log: JournalLog, reader: LogReader, end: number, visitor: Visitor): Process<number> {
  const block = new Uint8Array(PAGE_SIZE);
  let { start: position, sequence } = log.superblock;
  for (let visited = 0; visited < log.length && sequence !== end; ) {
    yield* reader.read(position, block);
    const type = jbdBlockType(block, sequence);
    let blocks = 1;
    if (type === JBD_BLOCK.descriptor) {
      blocks += descriptorTags(block).length;
      if (visitor.descriptor !== undefined) yield* visitor.descriptor(block, sequence, position);
    } else if (type === JBD_BLOCK.revoke) visitor.revoke?.(block, sequence);
    else if (type === JBD_BLOCK.commit) sequence = (sequence + 1) >>> 0;
    else break;
    visited += blocks;
    for (let i = 0; i < blocks; i++) position = log.next(position);
  }
  return sequence;
}

/** Reads the log through the block device's own mapping, and makes it forget that. */
class LogReader {
  readonly #log: JournalLog;
  readonly #buffers: Buffers;
  readonly #io: PageIo;
  readonly #read = new Set<number>();

  constructor(log: JournalLog, buffers: Buffers, io: PageIo) {
    this.#log = log;
    this.#buffers = buffers;
    this.#io = io;
  }

  *read(position: number, block: Uint8Array): Process {
    const place = yield* this.#log.place(position);
    if (!this.#read.has(place)) {
      // do_readahead, as far as the ring follows the disk.
      let count = 1;
      for (let at = position; count < RA_MAX; count++) {
        at = this.#log.next(at);
        if ((yield* this.#log.place(at)) !== place + count) break;
      }
      for (let i = 0; i < count; i++) this.#read.add(place + i);
      yield* this.#io.readAhead(this.#buffers.device, place, count);
    }
    this.#buffers.copyOut(yield* this.#buffers.bread(place), 0, block, PAGE_SIZE);
  }

  /** The log will be written past the cache: what is cached of it would be wrong. */
  *forget(): Process {
    for (const place of this.#read) yield* this.#buffers.forget(place);
  }
}
