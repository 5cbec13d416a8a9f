/**
 * The hypervisor's structures in machine memory, and where they lie. Only these bytes outlive an
 * object: a domain is rebuilt from them alone, and so is a hypervisor.
 *
 * ```
 * begins at      | what
 * ---------------+---------------------------------------------------------------
 * 0              | root record: one frame
 * tableMfn       | frame table: a record of 32 bytes a frame, by mfn
 * domainTableMfn | domain records: 256 bytes each, by domid
 * p2mMfn         | P2M lists: the number of a frame a page
 * recencyMfn     | recency table: 2 bytes a frame
 * stateMfn       | domain states: 2 frames each, by domid
 * handoverMfn    | handover record: one frame
 * boxMfn         | recovery boxes: 2 frames each, by domid
 * firstDomainMfn | memory of the domains, to the end
 * ```
 *
 * All numbers are little-endian. Numbers of frames, and counts of them, are as wide as the
 * architecture has them (base/arch.ts), which the root record tells. The page of a frame record is
 * a u32 on both, as Xen's M2P is. A record with a checksum ends in it: CRC-32C of the bytes before.
 * The frame record has a check word of its own (frame-record.ts). Modelled after Xen's frame table
 * and M2P, joined in one record.
 */

import { type Arch, FRAME_NUMBER_BYTES, MOST_FRAMES } from '../../base/arch.ts';
import { defineArchLayouts, defineLayout } from '../../base/layout.ts';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import { IDENTITY_BYTES } from '../../disk/image/backing-store.ts';
import { NR_REGISTERS } from '../public/environment.ts';
import { NR_EVENT_CHANNELS } from '../public/event-channel.ts';
import { RECENCY } from '../public/recency.ts';

export const ROOT_MFN = Mfn(0);
export const ROOT_VERSION = 6;
/** "swroot1\0" */
export const ROOT_MAGIC = [0x73, 0x77, 0x72, 0x6f, 0x6f, 0x74, 0x31, 0x00] as const;

export const ROOT_RECORD = defineArchLayouts('root record', 128, (frame) => [
  { name: 'magic', width: 1, count: 8, writer: 'hypervisor', meaning: '"swroot1", zero' },
  { name: 'version', width: 4, writer: 'hypervisor', meaning: 'layout version of everything found from here, 6' },
  { name: 'size', width: 4, writer: 'hypervisor', meaning: 'bytes of this record' },
  { name: 'arch', width: 4, writer: 'hypervisor', meaning: 'architecture: 62 x86_64, 3 x86_32' },
  { name: 'recordBytes', width: 4, writer: 'hypervisor', meaning: 'bytes of a frame record' },
  {
    name: 'domainSlots',
    width: 4,
    writer: 'hypervisor',
    meaning: 'number of domain records; a domain has the one of its domid',
  },
  { name: 'domainRecordBytes', width: 4, writer: 'hypervisor', meaning: 'bytes of a domain record' },
  { name: 'frameCount', width: frame, writer: 'hypervisor', meaning: 'frames of the machine' },
  { name: 'tableMfn', width: frame, writer: 'hypervisor', meaning: 'first frame of the frame table' },
  { name: 'tableFrames', width: frame, writer: 'hypervisor', meaning: 'frames of the frame table' },
  { name: 'domainTableMfn', width: frame, writer: 'hypervisor', meaning: 'first frame of the domain records' },
  { name: 'p2mMfn', width: frame, writer: 'hypervisor', meaning: 'first frame of the P2M lists' },
  { name: 'p2mFrames', width: frame, writer: 'hypervisor', meaning: 'frames of the P2M lists' },
  { name: 'firstDomainMfn', width: frame, writer: 'hypervisor', meaning: 'first frame that a domain may own' },
  { name: 'recencyMfn', width: frame, writer: 'hypervisor', meaning: 'first frame of the recency table' },
  { name: 'stateMfn', width: frame, writer: 'hypervisor', meaning: 'first frame of the domain states' },
  { name: 'handoverMfn', width: frame, writer: 'hypervisor', meaning: 'frame of the handover record' },
  { name: 'boxMfn', width: frame, writer: 'hypervisor', meaning: 'first frame of the recovery boxes' },
  { name: 'reserved', width: 4, count: frame === 8 ? 1 : 12, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the record up to here' },
]);

export const FRAME_RECORD = defineLayout('frame record', 32, [
  {
    name: 'state',
    width: 4,
    writer: 'hypervisor',
    meaning: 'provenance, flags, device and owner; see below. Stored last',
  },
  { name: 'ino', width: 4, writer: 'hypervisor', meaning: 'name: inode number, as the guest told' },
  { name: 'generation', width: 4, writer: 'hypervisor', meaning: 'name: generation of the inode' },
  { name: 'index', width: 4, writer: 'hypervisor', meaning: 'name: page index in the file' },
  { name: 'block', width: 4, writer: 'hypervisor', meaning: 'provenance, dirty: 4 KiB block of the device' },
  { name: 'crc', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the page, when the crc flag is set' },
  { name: 'pfn', width: 4, writer: 'hypervisor', meaning: 'page of the owner (M2P)' },
  { name: 'check', width: 4, writer: 'hypervisor', meaning: 'check word over the seven words before' },
]);

/**
 * Bits of the frame record's `state` word, for the reference page; the masks are in
 * frame-record.ts.
 */
export const STATE_BITS = [
  { bits: '0–1', name: 'provenance', meaning: '0 none, 1 reading, 2 clean, 3 writing' },
  { bits: '2', name: 'named', meaning: 'ino, generation and index are a name' },
  { bits: '3', name: 'protected', meaning: 'a store of the guest traps' },
  { bits: '4', name: 'preserved', meaning: 'kept over the restart of its owner, not claimed yet' },
  { bits: '5', name: 'crc', meaning: 'the crc word is valid' },
  { bits: '6', name: 'dirty', meaning: 'newer than the block, to which it is written when the owner crashes' },
  { bits: '7', name: 'reserved', meaning: 'zero' },
  { bits: '8–15', name: 'device', meaning: "number of the owner's block device" },
  { bits: '16–31', name: 'owner', meaning: '0 free, 65535 the hypervisor, else domid + 1' },
] as const;

/** What a record says of the store that a disk lies on. */
export const STORE_FIELDS = [
  {
    name: 'storeIdentity',
    width: 1,
    count: IDENTITY_BYTES + 1,
    writer: 'tool stack',
    meaning: 'identity of the store that its disk lies on, UTF-8, zero-padded',
  },
  { name: 'storeFirstBlock', width: 4, writer: 'tool stack', meaning: 'first 4 KiB block of its disk in that store' },
  { name: 'storeSectorsLow', width: 4, writer: 'tool stack', meaning: 'sectors of its disk, low word' },
  { name: 'storeSectorsHigh', width: 4, writer: 'tool stack', meaning: 'the same, high word' },
  { name: 'storeGenerationLow', width: 4, writer: 'tool stack', meaning: 'write generation of its disk, low word' },
  { name: 'storeGenerationHigh', width: 4, writer: 'tool stack', meaning: 'the same, high word' },
] as const;

export const DOMAIN_VERSION = 5;
/** "swdomn1\0" */
export const DOMAIN_MAGIC = [0x73, 0x77, 0x64, 0x6f, 0x6d, 0x6e, 0x31, 0x00] as const;
export const DOMAIN_NAME_BYTES = 32;
/** Slot 0 is domain 0's, which is not modelled as an owner of memory. */
export const DOMAIN_SLOTS = 96;

export const DOMAIN_RECORD_BYTES = 256;
export const DOMAIN_RECORD = defineArchLayouts('domain record', DOMAIN_RECORD_BYTES, (frame) => [
  { name: 'magic', width: 1, count: 8, writer: 'tool stack', meaning: '"swdomn1", zero' },
  { name: 'version', width: 4, writer: 'tool stack', meaning: 'layout version, 5' },
  { name: 'size', width: 4, writer: 'tool stack', meaning: 'bytes of this record' },
  { name: 'domid', width: 4, writer: 'tool stack', meaning: 'number of the domain' },
  { name: 'device', width: 4, writer: 'tool stack', meaning: 'number of its block device' },
  { name: 'nrPages', width: frame, writer: 'tool stack', meaning: 'pages of the domain, entries of its P2M list' },
  { name: 'bootPages', width: frame, writer: 'tool stack', meaning: 'pages of its boot region' },
  { name: 'p2mMfn', width: frame, writer: 'tool stack', meaning: 'first frame of its P2M list' },
  { name: 'p2mCrc', width: 4, writer: 'tool stack', meaning: 'CRC-32C of the P2M list' },
  {
    name: 'consumed',
    width: 4,
    writer: 'tool stack',
    meaning: '1 once a rebuild began to read it: there is no second try',
  },
  { name: 'name', width: 1, count: DOMAIN_NAME_BYTES, writer: 'tool stack', meaning: 'name, UTF-8, zero-padded' },
  { name: 'hasRecency', width: 4, writer: 'hypervisor', meaning: '1 once it has shut down and told its recency' },
  {
    name: 'recencyCrc',
    width: 4,
    writer: 'hypervisor',
    meaning: 'CRC-32C of the recency of its pages, in the order of the P2M list',
  },
  { name: 'boots', width: 4, writer: 'tool stack', meaning: 'guests that were booted in it so far' },
  ...STORE_FIELDS,
  { name: 'reserved', width: 4, count: frame === 8 ? 25 : 28, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'tool stack', meaning: 'CRC-32C of the record up to here' },
]);

export const STATE_VERSION = 2;
/** "swstat1\0" */
export const STATE_MAGIC = [0x73, 0x77, 0x73, 0x74, 0x61, 0x74, 0x31, 0x00] as const;
/** A domain's state, and its event channels. */
export const STATE_FRAMES_EACH = 2;
const DOMAIN_STATE_BYTES = 128;

/**
 * In the first of a domain's two state frames. The second is its event channels, one word a port.
 */
export const DOMAIN_STATE = defineArchLayouts('domain state', DOMAIN_STATE_BYTES, (frame) => [
  { name: 'magic', width: 1, count: 8, writer: 'hypervisor', meaning: '"swstat1", zero' },
  { name: 'version', width: 4, writer: 'hypervisor', meaning: 'layout version, 2' },
  { name: 'size', width: 4, writer: 'hypervisor', meaning: 'bytes of this record' },
  { name: 'domid', width: 4, writer: 'hypervisor', meaning: 'number of the domain' },
  {
    name: 'hasRecency',
    width: 4,
    writer: 'hypervisor',
    meaning: '1: recency of preserved pages may still be asked for',
  },
  { name: 'sharedInfoPfn', width: frame, writer: 'hypervisor', meaning: 'page of its shared_info' },
  { name: 'grantTablePfn', width: frame, writer: 'hypervisor', meaning: 'first page of its grant table' },
  {
    name: 'programLow',
    width: 4,
    writer: 'hypervisor',
    meaning: 'instruction pointer, low word: the program that goes on',
  },
  { name: 'programHigh', width: 4, writer: 'hypervisor', meaning: 'the same, high word' },
  { name: 'registers', width: 4, count: NR_REGISTERS, writer: 'hypervisor', meaning: 'general registers' },
  { name: 'portsCrc', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the frame of event channels' },
  { name: 'reserved', width: 4, count: frame === 8 ? 2 : 4, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the record up to here' },
]);

/** Words of the frame of event channels: one a port. */
export const PORT_WORDS = NR_EVENT_CHANNELS;

/** Bits of a port's word, for the reference page; the codec is in domain-state.ts. */
export const PORT_BITS = [
  { bits: '0–2', name: 'state', meaning: '0 free, 1 unbound, 2 interdomain, 3 virq, 4 ipi' },
  { bits: '3–5', name: 'virq', meaning: 'number of the virq' },
  { bits: '6–15', name: 'remotePort', meaning: 'port of the other end' },
  { bits: '16–31', name: 'remote', meaning: 'domain that may bind it, or that has the other end' },
] as const;

export const HANDOVER_VERSION = 1;
/** "swhand1\0" */
export const HANDOVER_MAGIC = [0x73, 0x77, 0x68, 0x61, 0x6e, 0x64, 0x31, 0x00] as const;

/**
 * What one hypervisor tells the next. An entry of each domain is two words, and they are used from
 * the first on.
 */
export const HANDOVER = defineLayout('handover record', 1024, [
  { name: 'magic', width: 1, count: 8, writer: 'hypervisor', meaning: '"swhand1", zero' },
  { name: 'version', width: 4, writer: 'hypervisor', meaning: 'layout version, 1' },
  { name: 'size', width: 4, writer: 'hypervisor', meaning: 'bytes of this record' },
  { name: 'consumed', width: 4, writer: 'hypervisor', meaning: '1 once its reading began: there is no second try' },
  { name: 'count', width: 4, writer: 'hypervisor', meaning: 'number of entries' },
  {
    name: 'entries',
    width: 4,
    count: 2 * DOMAIN_SLOTS,
    writer: 'hypervisor',
    meaning: 'each: domid, plus 65536 when it is suspended and not only kept; checksum of its domain record',
  },
  { name: 'reserved', width: 4, count: 57, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the record up to here' },
]);

export const BOX_VERSION = 1;
/** "swbox1\0\0" */
export const BOX_MAGIC = [0x73, 0x77, 0x62, 0x6f, 0x78, 0x31, 0x00, 0x00] as const;
/** Frames of a recovery box: one that counts, and one for the next. */
export const BOX_FRAMES_EACH = 2;

/** At the start of each frame of a recovery box. */
export const BOX_HEADER = defineLayout('recovery box', 32, [
  { name: 'magic', width: 1, count: 8, writer: 'hypervisor', meaning: '"swbox1", zeros' },
  { name: 'version', width: 4, writer: 'hypervisor', meaning: 'layout version, 1' },
  { name: 'size', width: 4, writer: 'hypervisor', meaning: 'bytes of this header' },
  { name: 'generation', width: 4, writer: 'hypervisor', meaning: 'the higher of the two counts' },
  { name: 'reserved', width: 4, count: 2, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the header up to here; stored last' },
]);

/** An item of a recovery box; its bytes follow, padded to 8. */
export const BOX_ITEM = defineLayout('recovery box item', 16, [
  { name: 'state', width: 4, writer: 'hypervisor', meaning: '0 not published, 1 alive, 2 gone; stored last' },
  { name: 'key', width: 4, writer: 'guest', meaning: 'the number that its program gave it' },
  { name: 'length', width: 4, writer: 'guest', meaning: 'bytes that follow' },
  { name: 'checksum', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of key, length and bytes' },
]);

/** Where everything lies, as the root record says. */
export interface MemoryMap {
  /** How wide numbers of frames are. */
  readonly arch: Arch;
  /** Frames that there are. */
  readonly frameCount: number;
  /**
   * Frames that the tables are laid out for: those of the machine, unless it has lost memory since.
   */
  readonly plannedFrames: number;
  /** First frame of the frame table. */
  readonly tableMfn: Mfn;
  /** Frames of the frame table. */
  readonly tableFrames: number;
  /** First frame of the domain records. */
  readonly domainTableMfn: Mfn;
  /** First frame of the P2M lists. */
  readonly p2mMfn: Mfn;
  /** Frames of the P2M lists. */
  readonly p2mFrames: number;
  /** First frame of the recency table. */
  readonly recencyMfn: Mfn;
  /** Frames of the recency table. */
  readonly recencyFrames: number;
  /** First frame of the states of domains. */
  readonly stateMfn: Mfn;
  /** Frame of the handover record. */
  readonly handoverMfn: Mfn;
  /** First frame of the recovery boxes. */
  readonly boxMfn: Mfn;
  /** First frame that a domain may own. */
  readonly firstDomainMfn: Mfn;
}

/** The tables must lie in the first bank of machine memory, 1 GiB: that is a run of words. */
const FIRST_BANK_FRAMES = 1 << 18;
const DOMAIN_TABLE_FRAMES = (DOMAIN_SLOTS * DOMAIN_RECORD_BYTES) / PAGE_SIZE;

/**
 * Lays out a machine of `frameCount` frames. The P2M lists get one entry a frame, an eighth more,
 * and one frame for each domain. Lists are contiguous and begin on a frame, which takes this room.
 * @returns undefined when the machine is too small or too large for its own tables, or for its
 * architecture
 */
export function planMemory(frameCount: number, arch: Arch): MemoryMap | undefined {
  const tableFrames = Math.ceil((frameCount * FRAME_RECORD.size) / PAGE_SIZE);
  const p2mFrames = Math.ceil((frameCount * FRAME_NUMBER_BYTES[arch] * 1.125) / PAGE_SIZE) + DOMAIN_SLOTS;
  const tableMfn = Mfn(1);
  const domainTableMfn = Mfn(tableMfn + tableFrames);
  const p2mMfn = Mfn(domainTableMfn + DOMAIN_TABLE_FRAMES);
  const recencyMfn = Mfn(p2mMfn + p2mFrames);
  const recencyFrames = Math.ceil((frameCount * RECENCY.size) / PAGE_SIZE);
  const stateMfn = Mfn(recencyMfn + recencyFrames);
  const handoverMfn = Mfn(stateMfn + STATE_FRAMES_EACH * DOMAIN_SLOTS);
  const boxMfn = Mfn(handoverMfn + 1);
  const firstDomainMfn = Mfn(boxMfn + BOX_FRAMES_EACH * DOMAIN_SLOTS);
  if (firstDomainMfn >= frameCount || firstDomainMfn > FIRST_BANK_FRAMES) return undefined;
  if (frameCount > MOST_FRAMES[arch]) return undefined;
  return {
    arch,
    frameCount,
    plannedFrames: frameCount,
    tableMfn,
    tableFrames,
    domainTableMfn,
    p2mMfn,
    p2mFrames,
    recencyMfn,
    recencyFrames,
    stateMfn,
    handoverMfn,
    boxMfn,
    firstDomainMfn,
  };
}
