/** What a caller gives a table and gets from it, and the checks of its arguments. */

import {
  checkArgument,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { ProvenanceName } from '../../xen/frames/provenance.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../../xen/protections.ts';
import type { ReasonName } from '../../xen/public/reason.ts';
import { DEVICE_NUMBERS } from '../../xen/records/devices.ts';

/** Names of the protections of a table. */
export const TABLE_PROTECTIONS = [
  'writeProtection',
  'provenance',
  'blockCheck',
  'generation',
  'recordCheck',
  'checksum',
] as const;
/** Names of the reasons why a page is refused. */
export const REFUSAL_REASONS = [
  'absent',
  'dirty',
  'inFlight',
  'staleBlock',
  'generation',
  'checksum',
  'corruptRecord',
  'duplicate',
] as const satisfies readonly ReasonName[];
const U32 = 0xffff_ffff;

/**
 * Protections that can be switched off, to see what each is for: all are on by default, and
 * `checksum` with `bytesOf`.
 */
export type TableProtections = Pick<Protections, (typeof TABLE_PROTECTIONS)[number]>;

/** Why a page was refused; the meanings are at `Reason` of `stillwarm/xen/public`. */
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** What a table is made over, besides its bytes. */
export interface TableOptions {
  /** Frames of 4 KiB that the table is of, numbered from 0: 1 to 2^26. */
  readonly frames: number;
  /**
   * The 4096 bytes of a frame as they are now. With it, a CRC-32C of each clean frame is recorded
   * and must match at the claim: so a store that did not trap is found.
   */
  readonly bytesOf?: (frame: number) => Uint8Array;
  /** Protections to switch off; all are on by default. */
  readonly protections?: Partial<TableProtections>;
}

/** Which page a frame holds. All are whole numbers of 0 to 2^32 - 1, except the device. */
export interface PageName {
  /** 0 to 255. */
  readonly device: number;
  /** Number of the inode. */
  readonly inode: number;
  /** Generation of the inode: a number that is used again is another inode. */
  readonly generation: number;
  /** Index of the page in the file, in pages of 4 KiB. */
  readonly index: number;
}

/** What the table knows of a frame. */
export interface FrameFacts {
  /** What is known of its bytes: nothing, or that they equal a block, or move from or to one. */
  readonly provenance: ProvenanceName;
  /** Block of the device, of the provenance; undefined when there is none. */
  readonly block: number | undefined;
  /** Undefined when it has none. */
  readonly name: PageName | undefined;
  /** Whether it waits for a claim. */
  readonly isPreserved: boolean;
  /** Whether stores to it have to be trapped, and told by `store`. */
  readonly isProtected: boolean;
}

/** A claim that was refused. */
export interface Refusal {
  /** Why. */
  readonly reason: RefusalReason;
  /**
   * The frame, which has no name any more and which the caller may use. Undefined when no page of
   * that inode and index was preserved, or when damage hides whether it still waits.
   */
  readonly frame: number | undefined;
}

/** What was kept for claims. */
export interface Preserved {
  /** Frames that wait to be claimed. */
  readonly preserved: number;
  /** Named frames, and damaged records, that were not kept, by reason. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
}

/** Nothing was refused. */
export function noRefusals(): Record<RefusalReason, number> {
  return Object.fromEntries(REFUSAL_REASONS.map((name) => [name, 0])) as Record<RefusalReason, number>;
}

/** @throws ArgumentError unless the options, except their frames, are what they should be */
export function checkProtections(options: TableOptions): TableProtections {
  checkKeys('options', options, ['frames', 'bytesOf', 'protections']);
  const { bytesOf, protections = {} } = options;
  checkFunction('bytesOf', bytesOf, true);
  checkObject('protections', protections);
  for (const [name, isOn] of Object.entries(protections)) {
    checkOneOf('protections', name, TABLE_PROTECTIONS);
    checkOneOf(`protections.${name}`, isOn, [true, false]);
  }
  const { checksum = bytesOf !== undefined } = protections;
  checkArgument(!checksum || bytesOf !== undefined, 'bytesOf', 'checksums need the bytes of the frames');
  return { ...DEFAULT_PROTECTIONS, ...protections, checksum };
}

export function checkedFrame(bytes: Uint8Array): Uint8Array {
  checkArgument(bytes instanceof Uint8Array && bytes.length === PAGE_SIZE, 'bytesOf', 'gave no 4096 bytes of a frame');
  return bytes;
}

export function checkName(name: PageName): void {
  checkObject('name', name);
  checkDevice(name.device, 'name.device');
  checkInteger('name.inode', name.inode, 0, U32);
  checkInteger('name.generation', name.generation, 0, U32);
  checkInteger('name.index', name.index, 0, U32);
}

export function checkDevice(device: number, argument = 'device'): void {
  checkInteger(argument, device, 0, DEVICE_NUMBERS - 1);
}

export function checkBlock(block: number): void {
  checkInteger('block', block, 0, U32);
}
