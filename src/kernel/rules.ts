/**
 * Rules of the guest that a crash asks for. No guest should run without them. The crash lab takes
 * them away one at a time, to see what breaks: `without=NAME[,NAME]` on the command line.
 */

/** Whether each rule is kept. */
export interface KernelRules {
  /** An evicted page is used again when the hypervisor knows that its name is gone. */
  readonly flushBeforeReuse: boolean;
  /** The superblock says that there are changes, before the first of them. */
  readonly firstChange: boolean;
  /** The log is on the medium before its commit block is written. */
  readonly flushBeforeCommit: boolean;
  /** A transaction is committed when its commit block is on the medium. */
  readonly flushAfterCommit: boolean;
  /** A block that was revoked is not replayed. */
  readonly revokes: boolean;
  /** Data of a file is on the medium before the transaction that says where it is. */
  readonly orderedData: boolean;
  /** A freed block is used again when the transaction that frees it is committed. */
  readonly frozenBlocks: boolean;
  /** An inode without a name that is still in use is on a list for the next mount. */
  readonly orphanList: boolean;
}

/** Those that every guest keeps. */
export const KERNEL_RULES: KernelRules = {
  flushBeforeReuse: true,
  firstChange: true,
  flushBeforeCommit: true,
  flushAfterCommit: true,
  revokes: true,
  orderedData: true,
  frozenBlocks: true,
  orphanList: true,
};
