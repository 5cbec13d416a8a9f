/**
 * The reference page of the journal on the disk, docs/reference/journal-layout.md, made from the
 * layouts, so that it cannot drift from the codec.
 */

import { layoutTable } from '../../src/base/layout.ts';
import { JBD_LAYOUTS, JBD_REVOKES_PER_BLOCK, JBD_TAGS_PER_BLOCK } from '../../src/format/jbd.ts';

/** The page, as Markdown that ends in a newline. */
export function journalLayoutPage(): string {
  return [
    '# The journal on the disk',
    '',
    'Generated from the layouts in `src/format/jbd.ts`; do not edit. `UPDATE_DOCS=1 npx vitest run test/format` writes it anew.',
    '',
    'The journal of ext3 is a file, usually inode 8, in blocks of 4096 bytes: its superblock, then a ring. All numbers are',
    'big-endian. A transaction in the ring is, in this order as this driver writes it:',
    '',
    '1. revoke blocks: blocks of metadata that were freed. Recovery does not write the copies of them that this transaction or',
    '   an earlier one has in the log;',
    '2. descriptor blocks, each followed by the blocks that its tags name, in the order of the tags;',
    '3. one commit block, a header and zeroes. The transaction counts if and only if it is there.',
    '',
    `A revoke block names at most ${JBD_REVOKES_PER_BLOCK} blocks, a descriptor block at most ${JBD_TAGS_PER_BLOCK}. The first tag is`,
    'followed by the id of the journal. After `s_maxlen` - 1 the ring goes on at `s_first`, and after transaction 2^32 - 1 comes 0.',
    '',
    ...JBD_LAYOUTS.flatMap((layout) => [layoutTable(layout), '']),
  ].join('\n');
}
