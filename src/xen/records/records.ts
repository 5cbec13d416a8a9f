/**
 * Root record and domain records: written, verified and parsed. Parsing is total: bytes that are
 * not a record give the problem as a value, in words.
 *
 * Publication: a record is stored whole and its checksum last. A domain record is read for a
 * rebuild at most once (`consumeDomainRecord`): it is marked consumed in memory before a byte of it
 * is believed. So a rebuild that fails half-way finds no record the next time and starts cold
 * instead of failing again.
 */

import { type Arch, ARCH_CODES, archOfCode } from '../../base/arch.ts';
import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { getField, type Layout, overlongField, putField, reservedIsZero } from '../../base/layout.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { decodeText, encodeText } from '../../base/text.ts';
import { type DomId, Mfn, PAGE_SIZE } from '../../base/units.ts';
import { IDENTITY_BYTES } from '../../disk/image/backing-store.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { StoreRecord } from './devices.ts';
import {
  DOMAIN_MAGIC,
  DOMAIN_NAME_BYTES,
  DOMAIN_RECORD,
  DOMAIN_RECORD_BYTES,
  DOMAIN_SLOTS,
  DOMAIN_VERSION,
  FRAME_RECORD,
  type MemoryMap,
  planMemory,
  ROOT_MAGIC,
  ROOT_MFN,
  ROOT_RECORD,
  ROOT_VERSION,
} from './layouts.ts';

/** What the record of a domain says. */
export interface DomainRecord {
  /** Its number. */
  readonly domid: DomId;
  /** Number of its block device, which its frame records have. */
  readonly device: number;
  /**
   * What its disk is, and its generation when that was written down last: when the domain was built
   * or left.
   */
  readonly store: StoreRecord;
  /** Pages of 4 KiB. */
  readonly nrPages: number;
  /** Pages of its boot region. */
  readonly bootPages: number;
  /** First frame of its P2M list. */
  readonly p2mMfn: Mfn;
  /** CRC-32C of the list's bytes, 32 bits. */
  readonly p2mCrc: number;
  /** Whether the record was used up. */
  readonly consumed: boolean;
  /** Its name. */
  readonly name: string;
  /** CRC-32C of what it told of recency, 32 bits; undefined when it told nothing. */
  readonly recencyCrc: number | undefined;
  /** Number of guests booted in it so far. */
  readonly boots: number;
}

const WORD = 0x1_0000_0000;

// All records begin with magic, version and size and end in a checksum.
const checksumAt = (layout: Layout): number => layout.size - 4;

/** Completes a record: magic, version, size, and last the checksum. */
export function seal(layout: Layout, bytes: Uint8Array, magic: readonly number[], version: number): void {
  magic.forEach((byte, i) => putField(layout, bytes, 0, 'magic', byte, i));
  putField(layout, bytes, 0, 'version', version);
  putField(layout, bytes, 0, 'size', layout.size);
  putField(layout, bytes, 0, 'checksum', crc32c(bytes, 0, checksumAt(layout)));
}

/**
 * What is wrong with the header, the reserved bytes, the checksum or a number that the model does
 * not have.
 */
export function flaw(layout: Layout, bytes: Uint8Array, magic: readonly number[], version: number): string | undefined {
  if (magic.some((byte, i) => getField(layout, bytes, 0, 'magic', i) !== byte)) return 'bad magic';
  if (getField(layout, bytes, 0, 'version') !== version) return 'unknown version';
  if (getField(layout, bytes, 0, 'size') !== layout.size) return 'bad size';
  if (!reservedIsZero(layout, bytes, 0)) return 'reserved bytes are not zero';
  if (getField(layout, bytes, 0, 'checksum') !== crc32c(bytes, 0, checksumAt(layout))) return 'bad checksum';
  const overlong = overlongField(layout, bytes, 0);
  return overlong === undefined ? undefined : `${overlong} has more than 32 bits`;
}

/** The fields of the root record that say where things are. */
const PLACES = [
  'tableMfn',
  'tableFrames',
  'domainTableMfn',
  'p2mMfn',
  'p2mFrames',
  'firstDomainMfn',
  'recencyMfn',
  'stateMfn',
  'handoverMfn',
  'boxMfn',
] as const;
/** And those that say how large. */
const SIZES = {
  recordBytes: FRAME_RECORD.size,
  domainSlots: DOMAIN_SLOTS,
  domainRecordBytes: DOMAIN_RECORD_BYTES,
} as const;

export function writeRoot(memory: MachineMemory, map: MemoryMap): void {
  const layout = ROOT_RECORD[map.arch];
  const bytes = new Uint8Array(layout.size);
  putField(layout, bytes, 0, 'arch', ARCH_CODES[map.arch]);
  putField(layout, bytes, 0, 'frameCount', map.plannedFrames);
  for (const name of PLACES) putField(layout, bytes, 0, name, map[name]);
  for (const [name, value] of Object.entries(SIZES)) putField(layout, bytes, 0, name as keyof typeof SIZES, value);
  seal(layout, bytes, ROOT_MAGIC, ROOT_VERSION);
  memory.copyIn(ROOT_MFN, 0, bytes, 0, bytes.length);
}

/**
 * The memory map, if the root record is intact and says what this version of the layout says for
 * such a machine. The machine may have lost memory since, as long as the tables are there.
 * @param arch what the record must say; any by default
 */
export function parseRoot(memory: MachineMemory, arch?: Arch): Result<MemoryMap> {
  const bytes = memory.frame(ROOT_MFN).slice(0, ROOT_RECORD.x86_64.size);
  // The architecture is at one place in all layouts; which of them reads the rest it says itself.
  const written = archOfCode(getField(ROOT_RECORD.x86_64, bytes, 0, 'arch'));
  const layout = ROOT_RECORD[written ?? 'x86_64'];
  const problem = flaw(layout, bytes, ROOT_MAGIC, ROOT_VERSION);
  if (problem !== undefined) return err(problem);
  if (written === undefined) return err('unknown architecture');
  if (written !== (arch ?? written)) return err(`of an ${written} hypervisor, not ${arch}`);
  const planned = getField(layout, bytes, 0, 'frameCount');
  const map = planMemory(planned, written);
  if (map === undefined || planned < memory.frameCount || map.firstDomainMfn >= memory.frameCount)
    return err('another size of memory');
  const same =
    PLACES.every((name) => getField(layout, bytes, 0, name) === map[name]) &&
    Object.entries(SIZES).every(([name, value]) => getField(layout, bytes, 0, name as keyof typeof SIZES) === value);
  return same ? ok({ ...map, frameCount: memory.frameCount }) : err('another memory map');
}

assert(
  ROOT_RECORD.x86_32.offset.arch === ROOT_RECORD.x86_64.offset.arch,
  'the architecture is found before it is known',
);

const PER_FRAME = PAGE_SIZE / DOMAIN_RECORD_BYTES;
const frameOf = (map: MemoryMap, domid: DomId): Mfn => Mfn(map.domainTableMfn + Math.floor(domid / PER_FRAME));
const offsetOf = (domid: DomId): number => (domid % PER_FRAME) * DOMAIN_RECORD_BYTES;

/**
 * Bytes of a domain's name; undefined when they do not fit the record with a terminating zero, or
 * are another name's too.
 */
export function encodeName(name: string): Uint8Array | undefined {
  const bytes = encodeText(name);
  const fits = bytes.length < DOMAIN_NAME_BYTES && !bytes.includes(0) && decodeText(bytes) === name;
  return fits ? bytes : undefined;
}

/** Zero-padded UTF-8 of a field. */
export function getText(layout: Layout, bytes: Uint8Array, name: string, length: number): string {
  const at = layout.offset[name]!;
  return decodeText(bytes.subarray(at, at + length)).replace(/\0+$/, '');
}

/** Writes STORE_FIELDS. */
export function putStore(layout: Layout, bytes: Uint8Array, store: StoreRecord): void {
  bytes.set(encodeText(store.identity), layout.offset['storeIdentity']);
  putField(layout, bytes, 0, 'storeFirstBlock', store.firstBlock);
  putWide(layout, bytes, 'storeSectors', store.sectorCount);
  putWide(layout, bytes, 'storeGeneration', store.generation);
}

export function getStore(layout: Layout, bytes: Uint8Array): StoreRecord {
  return {
    identity: getText(layout, bytes, 'storeIdentity', IDENTITY_BYTES),
    firstBlock: getField(layout, bytes, 0, 'storeFirstBlock'),
    sectorCount: getWide(layout, bytes, 'storeSectors'),
    generation: getWide(layout, bytes, 'storeGeneration'),
  };
}

/** A number of more than 32 bits, in two words. */
function putWide(layout: Layout, bytes: Uint8Array, name: string, value: number): void {
  putField(layout, bytes, 0, `${name}Low`, value % WORD);
  putField(layout, bytes, 0, `${name}High`, Math.floor(value / WORD));
}

function getWide(layout: Layout, bytes: Uint8Array, name: string): number {
  return getField(layout, bytes, 0, `${name}Low`) + WORD * getField(layout, bytes, 0, `${name}High`);
}

export function writeDomainRecord(memory: MachineMemory, map: MemoryMap, record: DomainRecord): void {
  const layout = DOMAIN_RECORD[map.arch];
  const bytes = new Uint8Array(layout.size);
  putField(layout, bytes, 0, 'domid', record.domid);
  putField(layout, bytes, 0, 'device', record.device);
  putField(layout, bytes, 0, 'nrPages', record.nrPages);
  putField(layout, bytes, 0, 'bootPages', record.bootPages);
  putField(layout, bytes, 0, 'p2mMfn', record.p2mMfn);
  putField(layout, bytes, 0, 'p2mCrc', record.p2mCrc);
  putField(layout, bytes, 0, 'consumed', record.consumed ? 1 : 0);
  putField(layout, bytes, 0, 'hasRecency', record.recencyCrc === undefined ? 0 : 1);
  putField(layout, bytes, 0, 'recencyCrc', record.recencyCrc ?? 0);
  putField(layout, bytes, 0, 'boots', record.boots);
  bytes.set(encodeName(record.name) ?? [], layout.offset.name);
  putStore(layout, bytes, record.store);
  seal(layout, bytes, DOMAIN_MAGIC, DOMAIN_VERSION);
  memory.copyIn(frameOf(map, record.domid), offsetOf(record.domid), bytes, 0, bytes.length);
}

/** A domain has shut down and told its recency. A record that does not parse is left as it is. */
export function sealRecency(memory: MachineMemory, map: MemoryMap, domid: DomId, recencyCrc: number): void {
  const parsed = parseDomainRecord(memory, map, domid);
  if (parsed?.ok) writeDomainRecord(memory, map, { ...parsed.value, recencyCrc });
}

/** A domain is left: its disk is as it is now. A record that does not parse is left as it is. */
export function sealStore(memory: MachineMemory, map: MemoryMap, domid: DomId, store: StoreRecord): void {
  const parsed = parseDomainRecord(memory, map, domid);
  if (parsed?.ok) writeDomainRecord(memory, map, { ...parsed.value, store });
}

/** Replaces the checksum of the P2M list in a domain's record. */
export function setP2mCrc(memory: MachineMemory, map: MemoryMap, domid: DomId, crc: number): void {
  const parsed = parseDomainRecord(memory, map, domid);
  // A damaged record is not made good: the next rebuild is to see it.
  if (parsed?.ok) writeDomainRecord(memory, map, { ...parsed.value, p2mCrc: crc });
}

export function eraseDomainRecord(memory: MachineMemory, map: MemoryMap, domid: DomId): void {
  memory.zero(frameOf(map, domid), offsetOf(domid), DOMAIN_RECORD_BYTES);
}

/** The record of a domain; undefined when its slot is empty, that is, all zero. */
export function parseDomainRecord(
  memory: MachineMemory,
  map: MemoryMap,
  domid: DomId,
): Result<DomainRecord> | undefined {
  const bytes = readSlot(memory, map, domid);
  return bytes.every((byte) => byte === 0) ? undefined : parse(bytes, domid, map.arch);
}

/** The checksum of a domain's record, by which a handover record names it. */
export function domainRecordChecksum(memory: MachineMemory, map: MemoryMap, domid: DomId): number {
  return memory.readU32(frameOf(map, domid), offsetOf(domid) + checksumAt(DOMAIN_RECORD[map.arch]));
}

/**
 * Takes the record of a domain for a rebuild: marks it consumed, then verifies what it said before.
 * @param isMarked false where it is only read
 */
export function consumeDomainRecord(
  memory: MachineMemory,
  map: MemoryMap,
  domid: DomId,
  isMarked = true,
): Result<DomainRecord> {
  const bytes = readSlot(memory, map, domid);
  if (isMarked) memory.writeU32(frameOf(map, domid), offsetOf(domid) + DOMAIN_RECORD[map.arch].offset.consumed, 1);
  const parsed = parse(bytes, domid, map.arch);
  return parsed.ok && parsed.value.consumed ? err('consumed already') : parsed;
}

function readSlot(memory: MachineMemory, map: MemoryMap, domid: DomId): Uint8Array {
  return memory.frame(frameOf(map, domid)).slice(offsetOf(domid), offsetOf(domid) + DOMAIN_RECORD_BYTES);
}

function parse(bytes: Uint8Array, domid: DomId, arch: Arch): Result<DomainRecord> {
  const layout = DOMAIN_RECORD[arch];
  const problem = flaw(layout, bytes, DOMAIN_MAGIC, DOMAIN_VERSION);
  if (problem !== undefined) return err(problem);
  if (getField(layout, bytes, 0, 'domid') !== domid) return err('record of another domain');
  const name = getText(layout, bytes, 'name', DOMAIN_NAME_BYTES);
  return ok({
    domid,
    device: getField(layout, bytes, 0, 'device'),
    nrPages: getField(layout, bytes, 0, 'nrPages'),
    bootPages: getField(layout, bytes, 0, 'bootPages'),
    p2mMfn: Mfn(getField(layout, bytes, 0, 'p2mMfn')),
    p2mCrc: getField(layout, bytes, 0, 'p2mCrc'),
    consumed: getField(layout, bytes, 0, 'consumed') !== 0,
    name,
    recencyCrc: getField(layout, bytes, 0, 'hasRecency') === 0 ? undefined : getField(layout, bytes, 0, 'recencyCrc'),
    boots: getField(layout, bytes, 0, 'boots'),
    store: getStore(layout, bytes),
  });
}
