/**
 * The reference page of every structure in machine memory, docs/reference/table-layout.md, made from the layouts, so
 * that it cannot drift from the codec.
 */

import { layoutTable } from '../base/layout.ts';
import {
  BOX_HEADER,
  BOX_ITEM,
  DOMAIN_RECORD,
  DOMAIN_STATE,
  FRAME_RECORD,
  HANDOVER,
  PORT_BITS,
  ROOT_RECORD,
  STATE_BITS,
} from './layouts.ts';
import { RING_REQUEST, RING_RESPONSE } from './public/blkif.ts';
import { SHARED_INFO } from './public/event-channel.ts';
import { GRANT_ENTRY } from './public/grant-table.ts';
import { RECENCY, RECENCY_BITS } from './public/recency.ts';
import { RING_HEADER } from './public/ring.ts';
import { START_INFO } from './public/start-info.ts';

/** The page, as Markdown that ends in a newline. */
export function tableLayoutPage(): string {
  return [
    '# Structures in machine memory',
    '',
    'Generated from the layouts in `src/xen`; do not edit. `UPDATE_DOCS=1 npx vitest run test/xen` writes it anew.',
    '',
    'All numbers are little-endian. Whatever must outlive a guest or a hypervisor is in these structures, found from the',
    'root record in machine frame 0. Frames are 4096 bytes; a frame record belongs to the machine frame of its position in',
    'the frame table. A P2M list is one u32 a page of its domain: the machine frame.',
    '',
    '## Found from the root record',
    '',
    layoutTable(ROOT_RECORD),
    '',
    layoutTable(FRAME_RECORD),
    '',
    'The `state` word:',
    '',
    '| bits | name | meaning |',
    '|---|---|---|',
    ...STATE_BITS.map(({ bits, name, meaning }) => `| ${bits} | \`${name}\` | ${meaning} |`),
    '',
    'The check word is the sum modulo 2^32 of the seven words before it, each rotated left by r, multiplied by k and folded,',
    '`h ^ (h >> 15)`; (r, k) by word: (0, 0x9e3779b1), (5, 0x85ebca6b), (9, 0xc2b2ae35), (14, 0x27d4eb2f), (18, 0x165667b1),',
    '(23, 0xd3a2646d), (27, 0xfd7046c5). Any damage within one word is detected; zeroes are the record of a free frame.',
    'Records are published in an order that never shows a wrong name or block: see `src/xen/frame-record.ts`.',
    '',
    layoutTable(DOMAIN_RECORD),
    '',
    layoutTable(RECENCY),
    '',
    'One for each machine frame, by its number; the bits of the word:',
    '',
    '| bits | name | meaning |',
    '|---|---|---|',
    ...RECENCY_BITS.map(({ bits, name, meaning }) => `| ${bits} | \`${name}\` | ${meaning} |`),
    '',
    layoutTable(DOMAIN_STATE),
    '',
    'Two frames for each domain, by domid: this record, and one u32 for each event channel, by port; the bits of the word:',
    '',
    '| bits | name | meaning |',
    '|---|---|---|',
    ...PORT_BITS.map(({ bits, name, meaning }) => `| ${bits} | \`${name}\` | ${meaning} |`),
    '',
    layoutTable(HANDOVER),
    '',
    'It is read once, when a hypervisor boots on a machine that kept its memory, and consumed first. Another version than this',
    'one is not read: nothing is resumed, and every domain is booted again.',
    '',
    layoutTable(BOX_HEADER),
    '',
    'Two frames for each domain, by domid; the one with the higher generation counts. Its items follow the header, without gaps:',
    '',
    layoutTable(BOX_ITEM),
    '',
    '## In the memory of a domain',
    '',
    layoutTable(START_INFO),
    '',
    'The checksum begins with the bytes of the page before it and goes on with `cmdLine`.',
    '',
    layoutTable(SHARED_INFO),
    '',
    layoutTable(GRANT_ENTRY),
    '',
    'Flags: bits 0 and 1 are the type, 0 not in use, 1 permit access; 4 read-only; 8 reading and 16 writing, which the',
    'hypervisor sets while the grant is mapped.',
    '',
    layoutTable(RING_HEADER),
    '',
    layoutTable(RING_REQUEST),
    '',
    layoutTable(RING_RESPONSE),
    '',
  ].join('\n');
}
