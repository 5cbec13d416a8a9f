/**
 * Why a page was, or was not, carried over a reboot. Every page refused or dropped is counted under
 * one of these.
 */

/** Result codes of cache_map_op and of preservation. */
export const Reason = {
  /** Not refused. */
  ok: 0,
  /**
   * No page of that name was preserved: it was never cached, never named, or evicted before the
   * reboot.
   */
  absent: 1,
  /**
   * Named, but the frame's contents were not vouched for: stored to, or never read from a block as
   * a whole.
   */
  dirty: 2,
  /** A read or a write of the frame was in flight when the domain died. */
  inFlight: 3,
  /** The frame equals a block, but the file system maps the page to another one now. */
  staleBlock: 4,
  /** Same inode number and index, but another generation of the inode. */
  generation: 5,
  /** The frame's bytes do not match the recorded CRC-32C. */
  checksum: 6,
  /** The frame record's check word does not match the record. */
  corruptRecord: 7,
  /** Another record of the same name came first. */
  duplicate: 8,
  /** The page lies in the boot region of the new domain. */
  bootRegion: 9,
  /** The new domain is smaller than the pfn of the page. */
  memoryShrank: 10,
  /** The table as a whole did not parse: magic, version, size, checksum or reserved bytes. */
  badTable: 11,
  /** The domain's P2M list did not parse or match its checksum. */
  badP2m: 12,
  /** Given back unclaimed, under memory pressure or on request. */
  released: 13,
  /** The restart was asked to preserve nothing. */
  notAsked: 14,
  /** The device did not take the page: its write failed, or there is no such block. */
  ioError: 15,
  /** The domain has another disk than the one that its pages were read from. */
  otherDisk: 16,
  /** The disk, or this block of it, was written to from elsewhere while the page waited. */
  diskChanged: 17,
} as const;

/** Name of a reason. */
export type ReasonName = keyof typeof Reason;
/** Code of a reason. */
export type ReasonCode = (typeof Reason)[ReasonName];

/** Names by code. */
export const REASON_NAMES: readonly ReasonName[] = Object.keys(Reason) as ReasonName[];

/** Counts by reason; a plain array over the codes. */
export type ReasonCounts = Record<ReasonName, number>;

const NO_REASONS = Object.fromEntries(REASON_NAMES.map((name) => [name, 0])) as Readonly<ReasonCounts>;

/** Counts that are all 0. */
export const noReasons = (): ReasonCounts => ({ ...NO_REASONS });
