/**
 * The protections that the rule of reuse and the writing back of dirty pages rest on, each of which
 * can be switched off by name. Switched off, the check is really not made: the property suite must
 * then find the wrong page, which proves both the protection and the suite.
 */

/** The protections by name: whether each is on. */
export interface Protections {
  /** Frames whose bytes the hypervisor vouches for trap on stores. */
  readonly writeProtection: boolean;
  /** The first store to a protected frame takes its provenance before it happens. */
  readonly firstStoreTrap: boolean;
  /**
   * Pages that are registered as dirty refuse stores, except those of the guest's file-cache
   * routines.
   */
  readonly dirtyProtection: boolean;
  /** Only frames of provenance clean are preserved and handed over. */
  readonly provenance: boolean;
  /** A claim must name the block that the frame equals. */
  readonly blockCheck: boolean;
  /**
   * A disk is asked which one it is and whether it was written to from elsewhere. Before that, what
   * was known of its blocks is not believed. Off: a disk is whatever is bound under its number.
   */
  readonly deviceIdentity: boolean;
  /**
   * A CRC-32C of every clean page is recorded and must match at the claim; of every dirty one, and
   * before it is written.
   */
  readonly checksum: boolean;
  /** A claim must name the generation of the inode. */
  readonly generation: boolean;
  /** Frames that are not preserved are zeroed before they get another owner. */
  readonly scrub: boolean;
  /** The check word of a frame record must match. */
  readonly recordCheck: boolean;
  /** The CPU caches are written back before the machine is reset. */
  readonly cpuCacheFlush: boolean;
  /**
   * A hypervisor marks the frames that another one left as allocated before it frees and clears the
   * rest.
   */
  readonly reserveBeforeAllocate: boolean;
  /**
   * What was left for the next hypervisor, or for a rebuild, is marked before it is believed. A
   * recovery that fails finds nothing the next time.
   */
  readonly consumedRecords: boolean;
}

/** All are on but checksums. */
export const DEFAULT_PROTECTIONS: Protections = {
  writeProtection: true,
  firstStoreTrap: true,
  dirtyProtection: true,
  provenance: true,
  blockCheck: true,
  deviceIdentity: true,
  checksum: false,
  generation: true,
  scrub: true,
  recordCheck: true,
  cpuCacheFlush: true,
  reserveBeforeAllocate: true,
  consumedRecords: true,
};
