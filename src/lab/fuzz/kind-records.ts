/**
 * What a hypervisor keeps in memory, damaged while nothing else is there. That is the root record,
 * the hand-over, domain records and P2M lists. States, recovery boxes, frame records and recency
 * belong to it as well. Two kinds read it. `records` is a machine that goes on from it: the same
 * hypervisor after its guest was shut down or has crashed, or the next hypervisor. `dump` is the
 * inspector of memory dumps.
 *
 * A machine of `records` is made anew for each case, and damaged in the middle of its life.
 */

import { defineLayout, getField, PAGE_SIZE } from '../../base/index.ts';
import { crc32c } from '../../base/crc32c.ts';
import { DomId, Mfn } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { MachineMemory } from '../../machine/memory.ts';
import {
  type Domain,
  handOver,
  inspectMemory,
  resumeDomain,
  shutdownDomain0,
  suspendDomains,
} from '../../xen/index.ts';
import { parseDomainRecord } from '../../xen/records/records.ts';
import {
  BOX_FRAMES_EACH,
  BOX_HEADER,
  BOX_ITEM,
  DOMAIN_RECORD,
  DOMAIN_SLOTS,
  DOMAIN_STATE,
  FRAME_RECORD,
  HANDOVER,
  type MemoryMap,
  ROOT_RECORD,
  STATE_FRAMES_EACH,
} from '../../xen/records/layouts.ts';
import { RECENCY } from '../../xen/public/recency.ts';
import { drawBytes, editInPlace, putNumber, sealLastWord, type Specimen, type Structure } from './bytes.ts';
import { type FuzzCase, type Kind, must, once, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { fuzzMemory, type FuzzGuest, FuzzMachine } from './machine.ts';
import { readEverything } from './programs.ts';
import { sealFrameRecord } from './kind-table.ts';
import { smallImage } from './specimens.ts';

/** How a guest ends and the next one begins. */
const LIVES = ['restart', 'restart after a crash', 'next hypervisor', 'next hypervisor, suspended'] as const;
/** A life takes some thousands of events. */
const MOST_EVENTS = 100_000;
/** Reasons are counted by pages that were named, and damage may have taken all names. */
const NO_REASON = 'cold: nothing is named';
/** The only domain of a machine. */
const DOMAIN = DomId(1);

const ENTRY = {
  x86_64: defineLayout('P2M entry', 8, [{ name: 'mfn', width: 8, meaning: 'frame of the page' }]),
  x86_32: defineLayout('P2M entry', 4, [{ name: 'mfn', width: 4, meaning: 'frame of the page' }]),
} as const;

/** A specimen in memory, and where its frame records are. */
interface MemorySpecimen extends Specimen {
  readonly frameRecords: readonly [from: number, to: number];
}

/** The bytes of a machine's memory. Specimens are those of the tables, which come first. */
const allBytes = (memory: MachineMemory): Uint8Array => memory.bytes(Mfn(0), memory.frameCount);

/** Lives one life after the other up to the damage, and takes the bytes that are there then. */
function memorySpecimens(image: ImageStore, memory: MachineMemory): MemorySpecimen[] {
  return LIVES.map((_, life) => {
    let specimen: MemorySpecimen | undefined;
    liveOn(life, new FuzzMachine(new OverlayImage(image), memory, MOST_EVENTS), ({ map }) => {
      specimen = specimenOf(memory, map);
    });
    return specimen!;
  });
}

function specimenOf(memory: MachineMemory, map: MemoryMap): MemorySpecimen {
  const { arch } = map;
  const at = (mfn: number): number => mfn * PAGE_SIZE;
  const parsed = parseDomainRecord(memory, map, DOMAIN);
  const { p2mMfn, nrPages } = parsed?.ok ? parsed.value : { p2mMfn: map.p2mMfn, nrPages: 1 };
  const frames = memory.frameCount - map.firstDomainMfn;
  const records = at(map.tableMfn) + map.firstDomainMfn * FRAME_RECORD.size;
  const box = at(map.boxMfn + BOX_FRAMES_EACH * DOMAIN);
  const sealed = (layout: Structure['layout'], place: number): Structure => ({
    layout,
    at: place,
    seal: sealLastWord(layout),
  });
  const structures: Structure[] = [
    sealed(ROOT_RECORD[arch], 0),
    sealed(DOMAIN_RECORD[arch], at(map.domainTableMfn) + DOMAIN * DOMAIN_RECORD[arch].size),
    sealed(HANDOVER, at(map.handoverMfn)),
    sealed(DOMAIN_STATE[arch], at(map.stateMfn + STATE_FRAMES_EACH * DOMAIN)),
    sealed(BOX_HEADER, box),
    { layout: BOX_ITEM, at: box + BOX_HEADER.size, count: 2 },
    { layout: FRAME_RECORD, at: records, count: frames, seal: sealFrameRecord },
    // Again, since most of what is believed is there.
    { layout: FRAME_RECORD, at: records, count: frames, seal: sealFrameRecord },
    { layout: ENTRY[arch], at: at(p2mMfn), count: nrPages },
    { layout: RECENCY, at: at(map.recencyMfn) + RECENCY.size * map.firstDomainMfn, count: frames },
  ];
  return {
    bytes: allBytes(memory).slice(0, at(map.firstDomainMfn)),
    structures,
    numbers: [memory.frameCount, map.firstDomainMfn, nrPages, DOMAIN_SLOTS, map.p2mMfn, map.p2mFrames, p2mMfn],
    sealWhole: (bytes) => {
      sealList(bytes, map, p2mMfn, nrPages);
    },
    frameRecords: [records, records + frames * FRAME_RECORD.size],
  };
}

/** Makes the checksum of the P2M list right, then the records that name each other by checksums. */
function sealList(bytes: Uint8Array, map: MemoryMap, p2mMfn: number, nrPages: number): void {
  const layout = DOMAIN_RECORD[map.arch];
  const record = map.domainTableMfn * PAGE_SIZE + DOMAIN * layout.size;
  const crc = crc32c(bytes, p2mMfn * PAGE_SIZE, nrPages * ENTRY[map.arch].size);
  putNumber(bytes, record + layout.offset.p2mCrc, 4, crc, false);
  sealLastWord(layout)(bytes, record);
  const handover = map.handoverMfn * PAGE_SIZE;
  if (getField(HANDOVER, bytes, handover, 'count') === 0) return;
  const checksum = getField(layout, bytes, record, 'checksum');
  putNumber(bytes, handover + HANDOVER.offset.entries + 4, 4, checksum, false);
  sealLastWord(HANDOVER)(bytes, handover);
}

/** What came of a life: why the second guest is cold, or that it took over pages. */
function liveOn(life: number, machine: FuzzMachine, damage: (hypervisor: FuzzMachine['hypervisor']) => void): Verdict {
  const guest = machine.start();
  machine.run(readEverything(guest.kernel.syscalls));
  guest.domain.environment.hypercalls.recoveryBox.put(1, new Uint8Array(100).fill(5));
  const isSuspended = life === 3;
  if (life === 1) guest.kernel.crash();
  else if (!isSuspended) machine.run(guest.kernel.shutdown());
  const reason = life < 2 ? restart(machine, guest, damage) : throughReset(machine, guest, isSuspended, damage);
  // A hypervisor that lives on trusts what it keeps of its own frames, and of free ones.
  if (reason === undefined && life >= 2) machine.toolstack.list.checkInvariants();
  const events = machine.simulation.eventCount;
  return reason === undefined ? { ...TAKEN, events } : refusedFor(reason, events);
}

function restart(
  machine: FuzzMachine,
  guest: FuzzGuest,
  damage: (hypervisor: FuzzMachine['hypervisor']) => void,
): string | undefined {
  const domain = machine.restart(guest, () => {
    damage(machine.hypervisor);
  });
  return readOn(machine, domain);
}

function throughReset(
  machine: FuzzMachine,
  { domain, kernel }: FuzzGuest,
  isSuspended: boolean,
  damage: (hypervisor: FuzzMachine['hypervisor']) => void,
): string | undefined {
  const { hypervisor, toolstack } = machine;
  if (!isSuspended) machine.run(toolstack.leaveDomain(domain));
  machine.run(shutdownDomain0(hypervisor, toolstack));
  if (isSuspended) machine.run(suspendDomains(hypervisor, toolstack));
  machine.run(handOver(hypervisor, toolstack));
  const { problem, lost } = machine.nextHypervisor(() => {
    damage(hypervisor);
  });
  if (problem !== undefined) return problem;
  if (lost.length > 0) return lost[0]!.reason;
  const next = isSuspended
    ? machine.run(resumeDomain(machine.hypervisor, machine.toolstack.list, machine.config))
    : machine.run(machine.toolstack.bootLeftDomain(machine.config));
  if (!next.ok) return next.reason.why;
  if (!isSuspended) return readOn(machine, next.value);
  const isAlive = machine.runIn({ domain: next.value, kernel }, readEverything(kernel.syscalls));
  return isAlive ? undefined : 'the guest stops';
}

/** Boots the next guest. Returns why it is cold, if it is. */
function readOn(machine: FuzzMachine, domain: Domain): string | undefined {
  const { kernel } = machine.boot(domain);
  machine.run(readEverything(kernel.syscalls));
  const { preserved, refused } = domain.stats;
  must(
    'no more is reused than was preserved',
    machine.reused <= preserved,
    () => `${machine.reused} of ${preserved} reused`,
  );
  if (preserved > 0) return undefined;
  const reasons = Object.entries(refused).filter(([, count]) => count > 0);
  return reasons.length === 0 ? NO_REASON : `cold: ${reasons.map(([name]) => name).join(', ')}`;
}

/** A machine goes on from what its hypervisor has kept. */
export function recordsKind(): Kind {
  const parts = once(() => {
    const memory = fuzzMemory();
    const image = smallImage();
    return { memory, image, specimens: memorySpecimens(image, memory) };
  });
  return {
    name: 'records',
    cases: 250,
    reasons: [
      ...['root record: bad checksum', 'handover record: bad magic', 'domain record: bad checksum'],
      ...['P2M list: bad checksum', 'cold: badTable', 'cold: badP2m'],
    ],
    draw: (random) => drawBytes(random, parts().specimens),
    play: (fuzzCase) => {
      const { memory, image, specimens } = parts();
      const life = fuzzCase.specimen % LIVES.length;
      const specimen = specimens[life]!;
      const hasOtherRecords = changesRecords(fuzzCase, specimen);
      const judges = !(fuzzCase.repair && hasOtherRecords);
      const machine = new FuzzMachine(new OverlayImage(image), memory, MOST_EVENTS, judges);
      const verdict = liveOn(life, machine, () => {
        const { length } = specimen.bytes;
        editInPlace(allBytes(memory).subarray(0, length), fuzzCase, specimens);
        memory.touch(Mfn(0), length / PAGE_SIZE);
      });
      const hasReason = verdict.refused !== NO_REASON || hasOtherRecords;
      must('a cold start has a reason', hasReason, () => 'nothing is preserved, and nothing was refused');
      return verdict;
    },
  };
}

/** Whether frame records may be others. Where they were made right, they may vouch for anything. */
function changesRecords({ edits }: FuzzCase, { frameRecords: [from, to] }: MemorySpecimen): boolean {
  return edits.some((edit) => edit.op === 'swap' || edit.op === 'cut' || touches(edit, from, to));
}

function touches(edit: FuzzCase['edits'][number], from: number, to: number): boolean {
  const at = Number(edit['at'] ?? 0);
  return at < to && at + Math.max(8, Number(edit['length'] ?? 0)) > from;
}

/** What reads a dump. A test gives one with a mistake in it. */
export type Inspect = typeof inspectMemory;

/** The inspector of dumps, on the same bytes. */
export function dumpKind(inspect: Inspect = inspectMemory): Kind {
  const parts = once(() => {
    const memory = fuzzMemory();
    const specimens = memorySpecimens(smallImage(), memory).map((one): Specimen => ({ ...one, mayShrink: true }));
    return { memory, specimens };
  });
  return {
    name: 'dump',
    cases: 4000,
    reasons: [
      ...['bad magic', 'unknown version', 'bad size', 'bad checksum', 'another size of memory'].map(
        (why) => `root record: ${why}`,
      ),
      ...['frame N: check word does not match', 'domain N: record: bad checksum'],
      'domain N: P2M list does not match its checksum',
    ],
    draw: (random) => drawBytes(random, parts().specimens),
    play: (fuzzCase) => {
      const { memory, specimens } = parts();
      const { bytes: sound } = specimens[fuzzCase.specimen % specimens.length]!;
      const bytes = allBytes(memory).subarray(0, sound.length);
      bytes.set(sound);
      memory.touch(Mfn(0), sound.length / PAGE_SIZE);
      const end = editInPlace(bytes, fuzzCase, specimens);
      return end === bytes.length ? inspected(inspect, memory) : inspected(inspect, shorter(bytes, end));
    },
  };
}

/** A dump that ends behind a whole frame. */
function shorter(bytes: Uint8Array, end: number): MachineMemory {
  const frames = Math.max(1, Math.floor(end / PAGE_SIZE));
  const memory = new MachineMemory(frames * PAGE_SIZE);
  allBytes(memory).set(bytes.subarray(0, frames * PAGE_SIZE));
  memory.touch(Mfn(0), frames);
  return memory;
}

function inspected(inspect: Inspect, memory: MachineMemory): Verdict {
  const { problems, problemCount, domains, frames } = inspect(memory);
  must(
    'a dump has at most a hundred lines',
    problems.length === Math.min(100, problemCount),
    () => `${problems.length} lines`,
  );
  const told = frames.free + frames.hypervisor + frames.owned + frames.damaged;
  must('each frame is counted once', told === 0 || told === frames.total, () => `${told} of ${frames.total} frames`);
  for (const { pages, named, reusable, nrPages } of domains)
    must(
      'a domain has no more pages than it has',
      reusable <= named && named <= pages && pages <= nrPages,
      () => `${pages} of ${nrPages}`,
    );
  return problems[0] === undefined ? TAKEN : refusedFor(problems[0]);
}
