/**
 * Costs of the guest kernel's own work, from the profile's guest section; each constant's
 * provenance stands there.
 */
export interface KernelCosts {
  /** Entry and exit of one system call, ns. */
  readonly syscallNs: number;
  /** Finding a page in the page cache and taking a reference, ns. */
  readonly pageLookupNs: number;
  /** Copying to the user's buffer, ns a byte. */
  readonly copyNsPerByte: number;
  /** Zeroing memory, ns a byte. */
  readonly clearNsPerByte: number;
  /** Allocating a page, ns. */
  readonly pageAllocNs: number;
  /** Freeing a page, ns. */
  readonly pageFreeNs: number;
  /** One path component found in the dentry cache, ns. */
  readonly pathComponentNs: number;
  /** One directory entry compared, ns. */
  readonly direntNs: number;
  /** Filling an inode from its block, ns. */
  readonly inodeFillNs: number;
  /** Mapping one page to its block from cached pointers, ns. */
  readonly getBlockNs: number;
  /** Building and submitting one bio, ns. */
  readonly bioSubmitNs: number;
  /** Taking one interrupt, ns. */
  readonly interruptNs: number;
  /** One segment through the protocol stack and the front-end, ns. */
  readonly packetNs: number;
  /** A page fault of a program, in and out, and setting its entry, ns. */
  readonly pageFaultNs: number;
  /** Switching to another process after a wait, ns. */
  readonly contextSwitchNs: number;
  /** Kernel start until the root file system is mounted, ns, beyond what the mechanisms charge. */
  readonly bootKernelNs: number;
  /** What services spend of the processor to start, ns. */
  readonly bootServicesNs: number;
  /** What services spend of the processor to stop, ns. */
  readonly shutdownServicesNs: number;
  /** Waiting between the two signals that end all processes, ns. */
  readonly killWaitNs: number;
  /** The suspend handler until the hypercall, ns. */
  readonly suspendNs: number;
  /** The resume handler, without what the drivers do, ns. */
  readonly resumeNs: number;
}
