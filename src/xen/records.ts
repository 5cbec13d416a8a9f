/**
 * Root record and domain records: written, verified and parsed. Parsing is total: bytes that are not a record give the
 * problem as a value, in words.
 *
 * Publication: a record is stored whole and its checksum last. A domain record is read for a rebuild at most once
 * (`consumeDomainRecord`): it is marked consumed in memory before a byte of it is believed, so a rebuild that fails half-way
 * finds no record the next time and starts cold instead of failing again.
 */

import { crc32c } from '../base/crc32c.ts';
import { getField, type Layout, putField, reservedIsZero } from '../base/layout.ts';
import { type DomId, Mfn, PAGE_SIZE } from '../base/units.ts';
import type { MachineMemory } from '../machine/memory.ts';
import {
  DOMAIN_MAGIC,
  DOMAIN_NAME_BYTES,
  DOMAIN_RECORD,
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

/** A parsed record, or why there is none. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

export interface DomainRecord {
  readonly domid: DomId;
  readonly device: number;
  readonly nrPages: number;
  readonly bootPages: number;
  readonly p2mMfn: Mfn;
  readonly p2mCrc: number;
  readonly consumed: boolean;
  readonly name: string;
  /** CRC-32C of what it told of recency; undefined when it told nothing. */
  readonly recencyCrc: number | undefined;
  /** Guests that were booted in it so far. */
  readonly boots: number;
}

// All records begin with magic, version and size and end in a checksum.
const checksumAt = (layout: Layout): number => layout.size - 4;

/** Completes a record: magic, version, size, and last the checksum. */
export function seal(layout: Layout, bytes: Uint8Array, magic: readonly number[], version: number): void {
  magic.forEach((byte, i) => putField(layout, bytes, 0, 'magic', byte, i));
  putField(layout, bytes, 0, 'version', version);
  putField(layout, bytes, 0, 'size', layout.size);
  putField(layout, bytes, 0, 'checksum', crc32c(bytes, 0, checksumAt(layout)));
}

/** What is wrong with the header, the reserved bytes or the checksum. */
export function flaw(layout: Layout, bytes: Uint8Array, magic: readonly number[], version: number): string | undefined {
  if (magic.some((byte, i) => getField(layout, bytes, 0, 'magic', i) !== byte)) return 'bad magic';
  if (getField(layout, bytes, 0, 'version') !== version) return 'unknown version';
  if (getField(layout, bytes, 0, 'size') !== layout.size) return 'bad size';
  if (!reservedIsZero(layout, bytes, 0)) return 'reserved bytes are not zero';
  if (getField(layout, bytes, 0, 'checksum') !== crc32c(bytes, 0, checksumAt(layout))) return 'bad checksum';
  return undefined;
}

export function writeRoot(memory: MachineMemory, map: MemoryMap): void {
  const bytes = new Uint8Array(ROOT_RECORD.size);
  putField(ROOT_RECORD, bytes, 0, 'frameCount', map.plannedFrames);
  putField(ROOT_RECORD, bytes, 0, 'tableMfn', map.tableMfn);
  putField(ROOT_RECORD, bytes, 0, 'tableFrames', map.tableFrames);
  putField(ROOT_RECORD, bytes, 0, 'recordBytes', FRAME_RECORD.size);
  putField(ROOT_RECORD, bytes, 0, 'domainTableMfn', map.domainTableMfn);
  putField(ROOT_RECORD, bytes, 0, 'domainSlots', DOMAIN_SLOTS);
  putField(ROOT_RECORD, bytes, 0, 'domainRecordBytes', DOMAIN_RECORD.size);
  putField(ROOT_RECORD, bytes, 0, 'p2mMfn', map.p2mMfn);
  putField(ROOT_RECORD, bytes, 0, 'p2mFrames', map.p2mFrames);
  putField(ROOT_RECORD, bytes, 0, 'firstDomainMfn', map.firstDomainMfn);
  putField(ROOT_RECORD, bytes, 0, 'recencyMfn', map.recencyMfn);
  putField(ROOT_RECORD, bytes, 0, 'stateMfn', map.stateMfn);
  putField(ROOT_RECORD, bytes, 0, 'boxMfn', map.boxMfn);
  putField(ROOT_RECORD, bytes, 0, 'handoverMfn', map.handoverMfn);
  seal(ROOT_RECORD, bytes, ROOT_MAGIC, ROOT_VERSION);
  memory.copyIn(ROOT_MFN, 0, bytes, 0, bytes.length);
}

/**
 * The memory map, if the root record is intact and says what this version of the layout says for such a machine. The machine may
 * have lost memory since, as long as the tables are there.
 */
export function parseRoot(memory: MachineMemory): Parsed<MemoryMap> {
  const bytes = memory.frame(ROOT_MFN).slice(0, ROOT_RECORD.size);
  const problem = flaw(ROOT_RECORD, bytes, ROOT_MAGIC, ROOT_VERSION);
  if (problem !== undefined) return { problem };
  const planned = getField(ROOT_RECORD, bytes, 0, 'frameCount');
  const map = planMemory(planned);
  if (map === undefined || planned < memory.frameCount || map.firstDomainMfn >= memory.frameCount)
    return { problem: 'another size of memory' };
  const same =
    getField(ROOT_RECORD, bytes, 0, 'tableMfn') === map.tableMfn &&
    getField(ROOT_RECORD, bytes, 0, 'tableFrames') === map.tableFrames &&
    getField(ROOT_RECORD, bytes, 0, 'recordBytes') === FRAME_RECORD.size &&
    getField(ROOT_RECORD, bytes, 0, 'domainTableMfn') === map.domainTableMfn &&
    getField(ROOT_RECORD, bytes, 0, 'domainSlots') === DOMAIN_SLOTS &&
    getField(ROOT_RECORD, bytes, 0, 'domainRecordBytes') === DOMAIN_RECORD.size &&
    getField(ROOT_RECORD, bytes, 0, 'p2mMfn') === map.p2mMfn &&
    getField(ROOT_RECORD, bytes, 0, 'p2mFrames') === map.p2mFrames &&
    getField(ROOT_RECORD, bytes, 0, 'firstDomainMfn') === map.firstDomainMfn &&
    getField(ROOT_RECORD, bytes, 0, 'recencyMfn') === map.recencyMfn &&
    getField(ROOT_RECORD, bytes, 0, 'stateMfn') === map.stateMfn &&
    getField(ROOT_RECORD, bytes, 0, 'boxMfn') === map.boxMfn &&
    getField(ROOT_RECORD, bytes, 0, 'handoverMfn') === map.handoverMfn;
  return same ? { value: { ...map, frameCount: memory.frameCount } } : { problem: 'another memory map' };
}

const PER_FRAME = PAGE_SIZE / DOMAIN_RECORD.size;
const frameOf = (map: MemoryMap, domid: DomId): Mfn => Mfn(map.domainTableMfn + Math.floor(domid / PER_FRAME));
const offsetOf = (domid: DomId): number => (domid % PER_FRAME) * DOMAIN_RECORD.size;

/** UTF-8 of a domain's name; undefined when it does not fit the record with a terminating zero. */
export function encodeName(name: string): Uint8Array | undefined {
  const bytes = new TextEncoder().encode(name);
  return bytes.length < DOMAIN_NAME_BYTES && !bytes.includes(0) ? bytes : undefined;
}

export function writeDomainRecord(memory: MachineMemory, map: MemoryMap, record: DomainRecord): void {
  const bytes = new Uint8Array(DOMAIN_RECORD.size);
  putField(DOMAIN_RECORD, bytes, 0, 'domid', record.domid);
  putField(DOMAIN_RECORD, bytes, 0, 'device', record.device);
  putField(DOMAIN_RECORD, bytes, 0, 'nrPages', record.nrPages);
  putField(DOMAIN_RECORD, bytes, 0, 'bootPages', record.bootPages);
  putField(DOMAIN_RECORD, bytes, 0, 'p2mMfn', record.p2mMfn);
  putField(DOMAIN_RECORD, bytes, 0, 'p2mCrc', record.p2mCrc);
  putField(DOMAIN_RECORD, bytes, 0, 'consumed', record.consumed ? 1 : 0);
  putField(DOMAIN_RECORD, bytes, 0, 'hasRecency', record.recencyCrc === undefined ? 0 : 1);
  putField(DOMAIN_RECORD, bytes, 0, 'recencyCrc', record.recencyCrc ?? 0);
  putField(DOMAIN_RECORD, bytes, 0, 'boots', record.boots);
  bytes.set(encodeName(record.name) ?? [], DOMAIN_RECORD.offset.name);
  seal(DOMAIN_RECORD, bytes, DOMAIN_MAGIC, DOMAIN_VERSION);
  memory.copyIn(frameOf(map, record.domid), offsetOf(record.domid), bytes, 0, bytes.length);
}

/** A domain has shut down and told its recency. A record that does not parse is left as it is. */
export function sealRecency(memory: MachineMemory, map: MemoryMap, domid: DomId, recencyCrc: number): void {
  const parsed = parseDomainRecord(memory, map, domid);
  if (parsed !== undefined && 'value' in parsed) writeDomainRecord(memory, map, { ...parsed.value, recencyCrc });
}

/** Replaces the checksum of the P2M list in a domain's record. */
export function setP2mCrc(memory: MachineMemory, map: MemoryMap, domid: DomId, crc: number): void {
  const parsed = parseDomainRecord(memory, map, domid);
  // A damaged record is not made good: the next rebuild is to see it.
  if (parsed !== undefined && 'value' in parsed) writeDomainRecord(memory, map, { ...parsed.value, p2mCrc: crc });
}

export function eraseDomainRecord(memory: MachineMemory, map: MemoryMap, domid: DomId): void {
  memory.zero(frameOf(map, domid), offsetOf(domid), DOMAIN_RECORD.size);
}

/** The record of a domain; undefined when its slot is empty, that is, all zero. */
export function parseDomainRecord(
  memory: MachineMemory,
  map: MemoryMap,
  domid: DomId,
): Parsed<DomainRecord> | undefined {
  const bytes = readSlot(memory, map, domid);
  return bytes.every((byte) => byte === 0) ? undefined : parse(bytes, domid);
}

/** The checksum of a domain's record, by which a handover record names it. */
export function domainRecordChecksum(memory: MachineMemory, map: MemoryMap, domid: DomId): number {
  return memory.readU32(frameOf(map, domid), offsetOf(domid) + checksumAt(DOMAIN_RECORD));
}

/** Takes the record of a domain for a rebuild: marks it consumed, then verifies what it said before. */
export function consumeDomainRecord(memory: MachineMemory, map: MemoryMap, domid: DomId): Parsed<DomainRecord> {
  const bytes = readSlot(memory, map, domid);
  memory.writeU32(frameOf(map, domid), offsetOf(domid) + DOMAIN_RECORD.offset.consumed, 1);
  const parsed = parse(bytes, domid);
  return 'value' in parsed && parsed.value.consumed ? { problem: 'consumed already' } : parsed;
}

function readSlot(memory: MachineMemory, map: MemoryMap, domid: DomId): Uint8Array {
  return memory.frame(frameOf(map, domid)).slice(offsetOf(domid), offsetOf(domid) + DOMAIN_RECORD.size);
}

function parse(bytes: Uint8Array, domid: DomId): Parsed<DomainRecord> {
  const problem = flaw(DOMAIN_RECORD, bytes, DOMAIN_MAGIC, DOMAIN_VERSION);
  if (problem !== undefined) return { problem };
  if (getField(DOMAIN_RECORD, bytes, 0, 'domid') !== domid) return { problem: 'record of another domain' };
  const at = DOMAIN_RECORD.offset.name;
  const name = new TextDecoder().decode(bytes.subarray(at, at + DOMAIN_NAME_BYTES)).replace(/\0+$/, '');
  return {
    value: {
      domid,
      device: getField(DOMAIN_RECORD, bytes, 0, 'device'),
      nrPages: getField(DOMAIN_RECORD, bytes, 0, 'nrPages'),
      bootPages: getField(DOMAIN_RECORD, bytes, 0, 'bootPages'),
      p2mMfn: Mfn(getField(DOMAIN_RECORD, bytes, 0, 'p2mMfn')),
      p2mCrc: getField(DOMAIN_RECORD, bytes, 0, 'p2mCrc'),
      consumed: getField(DOMAIN_RECORD, bytes, 0, 'consumed') !== 0,
      name,
      recencyCrc:
        getField(DOMAIN_RECORD, bytes, 0, 'hasRecency') === 0
          ? undefined
          : getField(DOMAIN_RECORD, bytes, 0, 'recencyCrc'),
      boots: getField(DOMAIN_RECORD, bytes, 0, 'boots'),
    },
  };
}
