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
}

/** Those that every guest keeps. */
export const KERNEL_RULES: KernelRules = {
  flushBeforeReuse: true,
  firstChange: true,
};
