/**
 * Grant tables: how a domain lets another one reach pages of its own.
 *
 * The table lies in pages of the domain, which start_info tells. Granting is (1) `domid` and
 * `frame` are stored; (2) a barrier; (3) `flags` is stored with permitAccess. The hypervisor sets
 * reading and writing while the grant is mapped, and takes them away with the last mapping.
 * Revoking is a compare-and-swap of `flags` to 0, which fails while one of those two is set.
 *
 * Modelled after Xen 3.0 (public/grant_table.h). `frame` is a pfn, which the hypervisor translates
 * by the granting domain's P2M list, as Xen does for a domain that runs on translated memory. It
 * has 32 bits on both architectures, as in version 1 of Xen's entries. Transfers of pages
 * (accept_transfer) are left out.
 */

import { defineLayout } from '../../base/layout.ts';

/** Pages of a table. */
export const NR_GRANT_FRAMES = 4;
/** Entries of a table. */
export const NR_GRANT_ENTRIES = 2048;
/** Entries from 0 on that are not handed out. */
export const NR_RESERVED_ENTRIES = 8;

/** Layout of an entry of a grant table. */
export const GRANT_ENTRY = defineLayout('grant entry', 8, [
  {
    name: 'flags',
    width: 2,
    writer: 'guest',
    meaning: 'see below; the hypervisor sets reading and writing. Stored last',
  },
  { name: 'domid', width: 2, writer: 'guest', meaning: 'the domain that may map the page' },
  { name: 'frame', width: 4, writer: 'guest', meaning: 'pfn of the page' },
]);

/** Bits of the flags of an entry. */
export const Gtf = {
  /** The type, 2 bits: 0 not in use, 1 permit access. */
  typeMask: 3,
  /** The entry grants access. */
  permitAccess: 1,
  /** May not be mapped writable. */
  readonly: 4,
  /** Is mapped; set by the hypervisor. */
  reading: 8,
  /** Is mapped writable; set by the hypervisor. */
  writing: 16,
} as const;
