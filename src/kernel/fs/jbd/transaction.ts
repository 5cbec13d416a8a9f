/**
 * A transaction in memory, and the blocks of the log that it becomes (journal_head, transaction_t
 * and the middle of fs/jbd/commit.c of 2.6.12).
 *
 * A buffer is in it once, however much of it was changed and how often; the order is that in which
 * they joined. Revoke blocks come first in the log: what they say holds for the whole transaction.
 */

import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import {
  JBD_MAGIC,
  JBD_REVOKES_PER_BLOCK,
  JBD_TAGS_PER_BLOCK,
  jbdWords,
  putDescriptor,
  putRevokes,
  type JbdTag,
} from '../../../format/jbd.ts';
import type { GuestMemory } from '../../../xen/public/index.ts';
import type { JournaledInode } from './journal.ts';
import type { Mapping } from '../../cache/mapping.ts';

/** A buffer of a transaction: page `index` of a mapping. */
interface JournaledBuffer {
  readonly mapping: Mapping;
  readonly index: number;
  readonly pfn: Pfn;
}

export class Transaction {
  readonly tid: number;
  handles = 0;
  /** By block, in the order in which they joined. */
  readonly buffers = new Map<number, JournaledBuffer>();
  /** Inodes whose fields have changed: they go to their buffers when the transaction closes. */
  readonly inodes = new Set<JournaledInode>();
  /** Files whose data must be on the disk before the commit block. */
  readonly data = new Set<Mapping>();
  readonly revoked = new Set<number>();
  /** Blocks freed, one bit each, by block group. */
  readonly freed = new Map<number, Uint8Array>();

  constructor(tid: number) {
    this.tid = tid;
  }

  /** A block is freed. */
  freeze(group: number, bit: number): void {
    let bits = this.freed.get(group);
    if (bits === undefined) this.freed.set(group, (bits = new Uint8Array(PAGE_SIZE)));
    bits[bit >>> 3]! |= 1 << (bit & 7);
  }

  /** The pages of a mapping are about to be dropped. */
  forget(mapping: Mapping): void {
    this.data.delete(mapping);
    for (const [block, buffer] of this.buffers) if (buffer.mapping === mapping) this.buffers.delete(block);
  }

  /** Log blocks that it needs, about. */
  get size(): number {
    return this.buffers.size + this.inodes.size + Math.ceil(this.revoked.size / JBD_REVOKES_PER_BLOCK);
  }
}

/**
 * What fills each log block of a transaction, in order: revoke blocks, and descriptors followed by
 * what they name.
 * @param charge called for each block that is filled
 */
export function logBlocks(
  transaction: Transaction,
  uuid: Uint8Array,
  memory: GuestMemory,
  charge: () => void,
): ((pfn: Pfn) => void)[] {
  const { tid } = transaction;
  const bytes = new Uint8Array(PAGE_SIZE);
  const blocks: ((pfn: Pfn) => void)[] = [];
  const put = (fill: () => void): void => {
    blocks.push((pfn) => {
      fill();
      memory.copyIn(pfn, 0, bytes, 0, PAGE_SIZE);
      charge();
    });
  };
  const revoked = [...transaction.revoked];
  for (let at = 0; at < revoked.length; at += JBD_REVOKES_PER_BLOCK)
    put(() => putRevokes(bytes, tid, revoked.slice(at, at + JBD_REVOKES_PER_BLOCK)));
  const buffers = [...transaction.buffers];
  for (let at = 0; at < buffers.length; at += JBD_TAGS_PER_BLOCK) {
    const named = buffers.slice(at, at + JBD_TAGS_PER_BLOCK);
    const tags = named.map(([block, { pfn }]): JbdTag => {
      memory.copyOut(pfn, 0, bytes, 0, 4);
      return { block, escaped: jbdWords(bytes).getUint32(0) === JBD_MAGIC };
    });
    put(() => putDescriptor(bytes, tid, uuid, tags));
    for (const [i, [, { pfn }]] of named.entries())
      put(() => {
        memory.copyOut(pfn, 0, bytes, 0, PAGE_SIZE);
        if (tags[i]!.escaped) jbdWords(bytes).setUint32(0, 0);
      });
  }
  return blocks;
}
