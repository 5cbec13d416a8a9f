/**
 * The state of a suspended domain, as bytes in the hypervisor's memory: registers, where its shared
 * pages are, its event channels. A hypervisor needs only that, the domain record and the P2M list
 * to go on with the domain. Its memory and the frame records lie where they are.
 *
 * The registers hold the token of the guest's frozen program (sim/frozen.ts): only code that reads
 * these bytes may let it go on. Parsing is total. Publication: event channels first, then the
 * record, its checksum last.
 *
 * Modelled after what Xen keeps of a suspended domain in on-memory suspend (vcpu context and event
 * channels).
 */

import type { Arch } from '../../base/arch.ts';
import { crc32c } from '../../base/crc32c.ts';
import { getField, putField } from '../../base/layout.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { DomId, EvtchnPort, Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { Token } from '../../sim/frozen.ts';
import { DOMAIN_STATE, type MemoryMap, PORT_WORDS, STATE_FRAMES_EACH, STATE_MAGIC, STATE_VERSION } from './layouts.ts';
import { NR_REGISTERS } from '../public/environment.ts';
import { NR_GRANT_FRAMES } from '../public/grant-table.ts';
import type { EvtchnStatus, Virq } from '../public/event-channel.ts';
import { flaw, seal } from './records.ts';

export interface DomainStateRecord {
  readonly domid: DomId;
  readonly sharedInfoPfn: Pfn;
  readonly grantTablePfn: Pfn;
  readonly hasRecency: boolean;
  readonly program: Token;
  readonly registers: Uint32Array;
  /** By port; those that follow are free. */
  readonly ports: readonly EvtchnStatus[];
}

/** Pages that the domain shares with the hypervisor: it must have all of them. */
export function sharedPages({ sharedInfoPfn, grantTablePfn }: DomainStateRecord): readonly number[] {
  return [sharedInfoPfn, ...Array.from({ length: NR_GRANT_FRAMES }, (_, i) => grantTablePfn + i)];
}

const STATES = ['free', 'unbound', 'interdomain', 'virq', 'ipi'] as const;

// The word of a port: its state, then the virq, the port and the domain of the other end.
const STATE_MASK = 7;
const VIRQ_SHIFT = 3;
const VIRQ_MASK = 7;
const PORT_SHIFT = 6;
const PORT_MASK = 0x3ff;
const REMOTE_SHIFT = 16;

function encodePort(status: EvtchnStatus): number {
  const remote = 'remote' in status ? status.remote : 0;
  const remotePort = status.state === 'interdomain' ? status.remotePort : 0;
  const virq = status.state === 'virq' ? status.virq : 0;
  const state = STATES.indexOf(status.state);
  return (state | (virq << VIRQ_SHIFT) | (remotePort << PORT_SHIFT) | (remote << REMOTE_SHIFT)) >>> 0;
}

/** Undefined for a word that `encodePort` does not make. */
function decodePort(word: number): EvtchnStatus | undefined {
  const remote = DomId(word >>> REMOTE_SHIFT);
  const port = EvtchnPort((word >>> PORT_SHIFT) & PORT_MASK);
  const status = portOf(STATES[word & STATE_MASK], remote, port, ((word >>> VIRQ_SHIFT) & VIRQ_MASK) as Virq);
  return status !== undefined && encodePort(status) === word ? status : undefined;
}

function portOf(
  state: EvtchnStatus['state'] | undefined,
  remote: DomId,
  remotePort: EvtchnPort,
  virq: Virq,
): EvtchnStatus | undefined {
  switch (state) {
    case 'free':
    case 'ipi':
      return { state };
    case 'unbound':
      return { state, remote };
    case 'interdomain':
      return { state, remote, remotePort };
    case 'virq':
      return { state, virq };
    case undefined:
      return undefined;
  }
}

/** The two frames as bytes: what lies in the hypervisor's memory, and what a save file holds. */
export function encodeDomainState(state: DomainStateRecord, arch: Arch): Uint8Array {
  const layout = DOMAIN_STATE[arch];
  const bytes = new Uint8Array(STATE_FRAMES_EACH * PAGE_SIZE);
  const ports = new Uint32Array(bytes.buffer, PAGE_SIZE, PORT_WORDS);
  state.ports.forEach((status, port) => {
    ports[port] = encodePort(status);
  });
  const record = bytes.subarray(0, layout.size);
  putField(layout, record, 0, 'domid', state.domid);
  putField(layout, record, 0, 'sharedInfoPfn', state.sharedInfoPfn);
  putField(layout, record, 0, 'grantTablePfn', state.grantTablePfn);
  putField(layout, record, 0, 'hasRecency', state.hasRecency ? 1 : 0);
  putField(layout, record, 0, 'programLow', state.program[0]);
  putField(layout, record, 0, 'programHigh', state.program[1]);
  state.registers.forEach((word, i) => {
    putField(layout, record, 0, 'registers', word, i);
  });
  putField(layout, record, 0, 'portsCrc', crc32c(bytes, PAGE_SIZE, PAGE_SIZE));
  seal(layout, record, STATE_MAGIC, STATE_VERSION);
  return bytes;
}

/** Parses two frames. */
export function decodeDomainState(bytes: Uint8Array, arch: Arch): Result<DomainStateRecord> {
  const layout = DOMAIN_STATE[arch];
  const record = bytes.subarray(0, layout.size);
  const problem = flaw(layout, record, STATE_MAGIC, STATE_VERSION);
  if (problem !== undefined) return err(problem);
  if (bytes.subarray(layout.size, PAGE_SIZE).some((byte) => byte !== 0))
    return err('the rest of its frame is not zero');
  const field = (name: keyof typeof layout.offset, i = 0): number => getField(layout, record, 0, name, i);
  if (field('portsCrc') !== crc32c(bytes, PAGE_SIZE, PAGE_SIZE)) return err('bad checksum of event channels');
  const ports: EvtchnStatus[] = [];
  const words = new Uint32Array(bytes.slice(PAGE_SIZE).buffer);
  for (const word of words) {
    const status = decodePort(word);
    if (status === undefined) return err('bad event channel');
    ports.push(status);
  }
  while (ports.at(-1)?.state === 'free') ports.pop();
  return ok({
    domid: DomId(field('domid')),
    sharedInfoPfn: Pfn(field('sharedInfoPfn')),
    grantTablePfn: Pfn(field('grantTablePfn')),
    hasRecency: field('hasRecency') === 1,
    program: [field('programLow'), field('programHigh')],
    registers: Uint32Array.from({ length: NR_REGISTERS }, (_, i) => field('registers', i)),
    ports,
  });
}

const placeOf = (map: MemoryMap, domid: DomId): Mfn => Mfn(map.stateMfn + STATE_FRAMES_EACH * domid);

export function writeDomainState(memory: MachineMemory, map: MemoryMap, state: DomainStateRecord): void {
  const bytes = encodeDomainState(state, map.arch);
  const first = placeOf(map, state.domid);
  memory.copyIn(Mfn(first + 1), 0, bytes, PAGE_SIZE, PAGE_SIZE);
  memory.copyIn(first, 0, bytes, 0, PAGE_SIZE);
}

/** The state of a domain. */
export function parseDomainState(memory: MachineMemory, map: MemoryMap, domid: DomId): Result<DomainStateRecord> {
  const first = placeOf(map, domid);
  const bytes = new Uint8Array(STATE_FRAMES_EACH * PAGE_SIZE);
  for (let i = 0; i < STATE_FRAMES_EACH; i++) memory.copyOut(Mfn(first + i), 0, bytes, i * PAGE_SIZE, PAGE_SIZE);
  const parsed = decodeDomainState(bytes, map.arch);
  return parsed.ok && parsed.value.domid !== domid ? err('state of another domain') : parsed;
}

export function eraseDomainState(memory: MachineMemory, map: MemoryMap, domid: DomId): void {
  const first = placeOf(map, domid);
  for (let i = 0; i < STATE_FRAMES_EACH; i++) memory.zero(Mfn(first + i));
}
