/**
 * What machine memory says about the machine, read from the raw bytes alone: no hypervisor object
 * is asked. For dumps, for tests, and to see what a rebooted hypervisor would find.
 *
 * Total: bytes that are damaged give lines in `problems`, never an exception. Works on memory
 * without a hypervisor too.
 */

import { checkObject } from '../base/argument-error.ts';
import { DomId, Mfn } from '../base/units.ts';
import type { MachineMemory } from '../machine/memory.ts';
import {
  OWNER_HYPERVISOR,
  OWNER_NOBODY,
  ownerOfState,
  RECORD_WORDS,
  recordIsIntact,
  S_NAMED,
  S_PRESERVED,
  S_PROVENANCE,
  W_PFN,
  W_STATE,
} from './frames/frame-record.ts';
import { DOMAIN_SLOTS, type MemoryMap } from './records/layouts.ts';
import { NO_FRAME, viewP2m } from './frames/p2m.ts';
import { PROVENANCE_NAMES, type ProvenanceName } from './frames/provenance.ts';
import { type DomainRecord, parseDomainRecord, parseRoot } from './records/records.ts';

/** What memory says of a domain. */
export interface DomainReport extends DomainRecord {
  /** Whether the P2M list matches its checksum. */
  readonly p2mIsIntact: boolean;
  /** Pages whose frame record is intact and says this domain and this page. */
  readonly pages: number;
  /** Pages that have a name. */
  readonly named: number;
  /** Pages that wait for a claim. */
  readonly preserved: number;
  /** Pages named and clean: what a restart would preserve. */
  readonly reusable: number;
}

/** What memory says of a machine. */
export interface MemoryReport {
  /** One line each, the first hundred of them. */
  readonly problems: readonly string[];
  /** All problems, listed or not. */
  readonly problemCount: number;
  /** Where the tables lie; undefined when the root record makes no sense. */
  readonly map: MemoryMap | undefined;
  /** The domains whose records make sense. */
  readonly domains: readonly DomainReport[];
  /** Frames by what their records say; damaged records are counted as such only. */
  readonly frames: {
    /** Frames of the memory. */
    readonly total: number;
    /** Frames without an owner. */
    readonly free: number;
    /** Frames of the hypervisor. */
    readonly hypervisor: number;
    /** Frames of domains. */
    readonly owned: number;
    /** Frames whose records are damaged. */
    readonly damaged: number;
    /** Frames that have a name. */
    readonly named: number;
    /** Frames that wait for a claim. */
    readonly preserved: number;
    /** Frames by what is known of their bytes. */
    readonly provenance: Readonly<Record<ProvenanceName, number>>;
  };
}

const MOST_PROBLEMS = 100;

class Problems {
  readonly lines: string[] = [];
  count = 0;

  add(line: string): void {
    this.count++;
    if (this.lines.length < MOST_PROBLEMS) this.lines.push(line);
  }
}

/** Reads a machine's memory. */
export function inspectMemory(memory: MachineMemory): MemoryReport {
  checkObject('memory', memory, 'frameCount', 'readU32');
  const problems = new Problems();
  const root = parseRoot(memory);
  const provenance: Record<ProvenanceName, number> = { none: 0, reading: 0, clean: 0, writing: 0 };
  const frames = {
    total: memory.frameCount,
    free: 0,
    hypervisor: 0,
    owned: 0,
    damaged: 0,
    named: 0,
    preserved: 0,
    provenance,
  };
  const domains: DomainReport[] = [];
  if (!root.ok) problems.add(`root record: ${root.reason}`);
  else {
    const map = root.value;
    const words = memory.words(map.tableMfn, map.tableFrames);
    countFrames(words, frames, problems);
    for (let domid = 1; domid < DOMAIN_SLOTS; domid++) {
      const report = inspectDomain(memory, map, words, DomId(domid), problems);
      if (report !== undefined) domains.push(report);
    }
  }
  const map = root.ok ? root.value : undefined;
  return { problems: problems.lines, problemCount: problems.count, map, domains, frames };
}

function countFrames(
  words: Uint32Array,
  frames: { -readonly [K in keyof MemoryReport['frames']]: MemoryReport['frames'][K] } & {
    provenance: Record<ProvenanceName, number>;
  },
  problems: Problems,
): void {
  for (let mfn = 0; mfn < frames.total; mfn++) {
    const at = mfn * RECORD_WORDS;
    if (!recordIsIntact(words, at)) {
      frames.damaged++;
      problems.add(`frame ${mfn}: check word does not match`);
      continue;
    }
    const state = words[at + W_STATE]!;
    const owner = ownerOfState(state);
    if (owner === OWNER_NOBODY) frames.free++;
    else if (owner === OWNER_HYPERVISOR) frames.hypervisor++;
    else frames.owned++;
    if ((state & S_NAMED) !== 0) frames.named++;
    if ((state & S_PRESERVED) !== 0) frames.preserved++;
    frames.provenance[PROVENANCE_NAMES[state & S_PROVENANCE]!]++;
  }
}

function inspectDomain(
  memory: MachineMemory,
  map: MemoryMap,
  words: Uint32Array,
  domid: DomId,
  problems: Problems,
): DomainReport | undefined {
  const parsed = parseDomainRecord(memory, map, domid);
  if (parsed === undefined) return undefined;
  if (!parsed.ok) {
    problems.add(`domain ${domid}: record: ${parsed.reason}`);
    return undefined;
  }
  const record = parsed.value;
  const list = viewP2m(memory, map, record.p2mMfn, record.nrPages);
  const p2mIsIntact = list !== undefined && list.crc === record.p2mCrc;
  if (!p2mIsIntact) problems.add(`domain ${domid}: P2M list does not match its checksum`);
  const stray = list?.stray(map.firstDomainMfn, map.frameCount);
  if (stray !== undefined) problems.add(`domain ${domid}: P2M list: no frame ${stray} on this machine`);
  let pages = 0;
  let named = 0;
  let preserved = 0;
  let reusable = 0;
  for (let pfn = 0; pfn < (list?.length ?? 0); pfn++) {
    const mfn = Mfn(list!.at(pfn));
    if (mfn === NO_FRAME) continue;
    const at = mfn * RECORD_WORDS;
    const state = mfn < map.frameCount ? words[at + W_STATE]! : 0;
    if (ownerOfState(state) !== domid + 1 || words[at + W_PFN] !== pfn || !recordIsIntact(words, at)) {
      problems.add(`domain ${domid}: page ${pfn}: frame ${mfn} is not recorded as that page`);
      continue;
    }
    pages++;
    if ((state & S_NAMED) === 0) continue;
    named++;
    if ((state & S_PRESERVED) !== 0) preserved++;
    if (PROVENANCE_NAMES[state & S_PROVENANCE] === 'clean') reusable++;
  }
  return { ...record, p2mIsIntact, pages, named, preserved, reusable };
}
