/**
 * The reference page of the save file, docs/reference/save-file.md, made from the layouts, so that
 * it cannot drift from the codec.
 */

import { archLayoutTable, layoutTable } from '../../src/base/layout.ts';
import { MIGRATION_PACKET } from '../../src/xen/save/migration-link.ts';
import { BATCH_PAGES, FRAME_FACT, PAGE_WORD_BITS, SAVE_HEADER } from '../../src/xen/save/format.ts';

/** The page, as Markdown that ends in a newline. */
export function saveLayoutPage(): string {
  return [
    '# The save file of a domain',
    '',
    'Generated from the layouts in `src/xen/save/format.ts` and `migration-link.ts`; do not edit. `UPDATE_DOCS=1 npx vitest run test/xen` writes it anew.',
    '',
    'A file is one run of blocks of 4096 bytes on a block device. All numbers are little-endian. The first block holds the',
    'header. The body follows it, in this order and without gaps. Numbers of pages have 8 bytes on x86_64 and 4 on x86_32. A file',
    'is restored only on the architecture that its header says.',
    '',
    `1. batches of at most ${BATCH_PAGES} pages, in ascending order as this tool stack writes them: u32 count; the number of each page; the pages.`,
    '   A count of 0 ends them;',
    '2. unmapped pages, the number of each, in ascending order: as many as `nrPages` - `mappedPages`;',
    '3. the domain state and its event channels: two frames, as in [memory](table-layout.md);',
    '4. facts of frames: as many as `factCount`;',
    '5. the recovery box: of its two frames in [memory](table-layout.md) the one that counts, or zeroes when it is empty;',
    '6. zeroes up to the end of the block.',
    '',
    'Each page of the domain is in a batch or unmapped, once. The header is written last: until it is on the medium there is no file.',
    'It is marked consumed before the guest goes on: a file is restored once, because the guest changes its disk from then on.',
    'The store fields are the domain\u2019s disk as it was when the guest stood still. With another disk, or one that was written to since, the',
    'file is neither restored nor consumed. The guest would read data that is not on the disk, and write to a disk that is not its own.',
    '',
    archLayoutTable(SAVE_HEADER),
    '',
    'The number of a page in a batch:',
    '',
    '| bits on x86_64 | on x86_32 | name | meaning |',
    '|---|---|---|---|',
    ...PAGE_WORD_BITS.map(
      ({ wideBits, bits, name, meaning }) => `| ${wideBits} | ${bits} | \`${name}\` | ${meaning} |`,
    ),
    '',
    archLayoutTable(FRAME_FACT),
    '',
    'Names, preservation and what is registered as dirty are restored as they were. That a page equals a block is not believed: the disk may have been written',
    'meanwhile. It is either dropped, or the block is read and compared.',
    '',
    '## The stream of a migration',
    '',
    'A live migration sends the same through the network (`src/xen/save/migrate.ts`). First comes the header, with room for all pages.',
    'Batches follow, in which a page that comes again replaces the earlier one, and a count of 0. Then come the header, with the numbers of',
    'the rest, and parts 2 to 5 as above. `bodyCrc` is 0: the stream is cut into packets, each with a checksum. Words are texts: `complete`, `go`, `running`,',
    '`refused: ` and why, from either end.',
    '',
    layoutTable(MIGRATION_PACKET),
    '',
  ].join('\n');
}
