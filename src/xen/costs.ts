/**
 * What the hypervisor's work costs: plain numbers, virtual nanoseconds >= 0 (fractions are rounded
 * when they are paid). A machine profile supplies them with their provenance; this room only says
 * what each one is charged for, and to whom.
 */

/** What the work of the hypervisor costs, virtual ns. `values(profile.hypervisor)` is one. */
export interface XenCosts {
  /** Any hypercall: the way into the hypervisor and back. The guest's. */
  readonly hypercallNs: number;
  /** Naming a page by cache_map_op. The guest's. */
  readonly cacheMapInsertNs: number;
  /** Erasing a name. The guest's. */
  readonly cacheMapEraseNs: number;
  /** Claiming a page. The guest's. */
  readonly cacheMapClaimNs: number;
  /** Giving a preserved page back. The guest's. */
  readonly cacheMapReleaseNs: number;
  /** Telling or asking a recency. The guest's. */
  readonly cacheMapRecencyNs: number;
  /** Registering a dirty page. The guest's. */
  readonly cacheMapDirtyNs: number;
  /** Marking an event pending and notifying. The sender's. */
  readonly eventSendNs: number;
  /**
   * From an event sent to the receiving domain running its handler; a delay that is charged to no
   * processor.
   */
  readonly domainSwitchNs: number;
  /** A trapped store: fault, hypervisor, back. The guest's, with `protectNs`. */
  readonly faultNs: number;
  /** Changing the write protection of one page. */
  readonly protectNs: number;
  /** One block request in the back-end. Domain 0's. */
  readonly blkbackRequestNs: number;
  /** Each of its segments. Domain 0's. */
  readonly blkbackSegmentNs: number;
  /** One segment through the machine's adapter: interrupt, driver and bridge. Domain 0's. */
  readonly nicPacketNs: number;
  /** One segment in the network back-end. Domain 0's. */
  readonly netbackPacketNs: number;
  /** Copying a byte of it. Domain 0's. */
  readonly netbackNsPerByte: number;
  /** 1: a received segment comes in a page that is given to the guest; 0: it is copied. */
  readonly netbackFlips: number;
  /** Giving such a page to the guest. Domain 0's. */
  readonly netbackFlipNs: number;
  /** Zeroing, a byte. Domain 0's. */
  readonly scrubNsPerByte: number;
  /** Taking one frame from the allocator. Domain 0's. */
  readonly frameAllocNs: number;
  /** Verifying and indexing one frame record when a domain is rebuilt. Domain 0's. */
  readonly indexRebuildNs: number;
  /** Examining and marking one frame to be preserved. Domain 0's. */
  readonly preserveNs: number;
  /**
   * CRC-32C, a byte; only with checksums on. Domain 0's when recorded, the guest's when verified by
   * a claim.
   */
  readonly crcNsPerByte: number;
  /** One message to the store or from it. The store's, which serves one after the other. */
  readonly storeMessageNs: number;
  /** The script that runs when a device is plugged in or out. Domain 0's. */
  readonly hotplugNs: number;
  /** Building a domain, apart from its frames, its devices and the store. Domain 0's. */
  readonly domainBuildNs: number;
  /** Saving a page to a file: mapping it and copying it twice. Domain 0's. */
  readonly savePageNs: number;
  /** Restoring a page from a file. Domain 0's. */
  readonly restorePageNs: number;
  /** Stopping what only domain 0 has, while the back-ends work. */
  readonly domain0ShutdownNs: number;
  /** Writing down what the next hypervisor needs, all domains together. */
  readonly handoverNs: number;
  /** Processors of the machine, which all guests share for what they compute at length. */
  readonly processors: number;
}
