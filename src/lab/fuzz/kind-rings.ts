/**
 * Rings of a hostile guest: block requests, frames to send and empty pages to receive into, with
 * the grants that they name. The back-ends answer what makes sense with its result, and the rest
 * with an error. What they do reaches neither the disk of another guest nor its memory.
 */

import { crc32c } from '../../base/crc32c.ts';
import { encodeFrame, EtherType, type MacAddress } from '../../base/ethernet.ts';
import { DOM0, getField, Ns, PAGE_SIZE, Pfn, putField, SECTORS_PER_PAGE } from '../../base/index.ts';
import { Drive } from '../../disk/drive/drive.ts';
import { driveOptions } from '../../disk/drive/make-service-time.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import type { Process } from '../../sim/index.ts';
import {
  BlkifOp,
  BlkifStatus,
  GRANT_ENTRY,
  Gtf,
  NET_RING_SLOTS,
  NET_RX_REQUEST,
  NET_TX_REQUEST,
  NET_TX_RESPONSE,
  RING_HEADER,
  RING_HEADER_BYTES,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOT_BYTES,
  RING_SLOTS,
  SEGMENTS_PER_REQUEST,
  START_INFO,
  START_INFO_PFN,
  VBD_FRONTEND,
  VIF_FRONTEND,
  XenbusState,
} from '../../xen/public/index.ts';
import { type Domain, domainOf } from '../../xen/index.ts';
import { drawBytes, editedBytes, type Specimen } from './bytes.ts';
import { type FuzzCase, type Kind, must, once, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { fuzzMemory, FuzzMachine } from './machine.ts';

const MOST_EVENTS = 50_000;
/** The pages that a guest shares, in their order in a specimen. */
const PAGES = { block: 0, transmit: 1, receive: 2, grants: 3 } as const;
/** Where they lie in the guest, except the grant table. */
const FIRST_PFN = 900;
const BUFFERS = 910;
const REQUESTS = 8;
const FRAMES = 4;
const REF = { block: 8, transmit: 9, receive: 10, buffers: 16 } as const;
const DISK_BLOCKS = 64;
const MAC = 0x02 as MacAddress;
const VICTIM_PFN = Pfn(500);

/** Requests as a guest in order would put them on its rings. */
function makePages(shift: number): Uint8Array {
  const bytes = new Uint8Array(4 * PAGE_SIZE);
  const grant = (ref: number, pfn: number, flags: number): void => {
    const at = PAGES.grants * PAGE_SIZE + ref * GRANT_ENTRY.size;
    putField(GRANT_ENTRY, bytes, at, 'frame', pfn);
    putField(GRANT_ENTRY, bytes, at, 'domid', DOM0);
    putField(GRANT_ENTRY, bytes, at, 'flags', flags);
  };
  grant(REF.block, FIRST_PFN, Gtf.permitAccess);
  grant(REF.transmit, FIRST_PFN + 1, Gtf.permitAccess);
  grant(REF.receive, FIRST_PFN + 2, Gtf.permitAccess);
  for (let n = 0; n < REQUESTS; n++) {
    const operation = [BlkifOp.read, BlkifOp.write, BlkifOp.read, BlkifOp.flush][(n + shift) % 4]!;
    const at = RING_HEADER_BYTES + n * RING_SLOT_BYTES;
    const segments = operation === BlkifOp.flush ? 0 : 1 + (n % 3);
    putField(RING_REQUEST, bytes, at, 'operation', operation);
    putField(RING_REQUEST, bytes, at, 'segmentCount', segments);
    putField(RING_REQUEST, bytes, at, 'id', 100 + n);
    putField(RING_REQUEST, bytes, at, 'sector', 4 * n * SECTORS_PER_PAGE);
    for (let i = 0; i < segments; i++) {
      const ref = REF.buffers + 4 * n + i;
      grant(ref, BUFFERS + 4 * n + i, Gtf.permitAccess | (operation === BlkifOp.write ? Gtf.readonly : 0));
      putField(RING_REQUEST, bytes, at, 'segments', ref, 2 * i);
      putField(RING_REQUEST, bytes, at, 'segments', (SECTORS_PER_PAGE - 1) << 8, 2 * i + 1);
    }
  }
  for (let n = 0; n < FRAMES; n++) {
    const [sent, empty] = [REF.buffers + 4 * REQUESTS + n, REF.buffers + 4 * REQUESTS + FRAMES + n];
    const transmit = PAGES.transmit * PAGE_SIZE + RING_HEADER_BYTES + n * NET_TX_REQUEST.size;
    grant(sent, BUFFERS + 4 * REQUESTS + n, Gtf.permitAccess | Gtf.readonly);
    grant(empty, BUFFERS + 4 * REQUESTS + FRAMES + n, Gtf.permitAccess);
    putField(NET_TX_REQUEST, bytes, transmit, 'grant', sent);
    putField(NET_TX_REQUEST, bytes, transmit, 'size', 60 + 500 * n);
    putField(NET_TX_REQUEST, bytes, transmit, 'id', n);
    const receive = PAGES.receive * PAGE_SIZE + RING_HEADER_BYTES + n * NET_RX_REQUEST.size;
    putField(NET_RX_REQUEST, bytes, receive, 'id', n);
    putField(NET_RX_REQUEST, bytes, receive, 'grant', empty);
  }
  for (const [page, count] of [
    [PAGES.block, REQUESTS],
    [PAGES.transmit, FRAMES],
    [PAGES.receive, FRAMES],
  ] as const) {
    putField(RING_HEADER, bytes, page * PAGE_SIZE, 'reqProd', count);
    putField(RING_HEADER, bytes, page * PAGE_SIZE, 'rspEvent', 1);
  }
  return bytes;
}

function specimenOf(bytes: Uint8Array): Specimen {
  const ring = (page: number): number => page * PAGE_SIZE;
  return {
    bytes,
    structures: [
      { layout: RING_HEADER, at: ring(PAGES.block) },
      { layout: RING_REQUEST, at: RING_HEADER_BYTES, count: RING_SLOTS },
      { layout: RING_REQUEST, at: RING_HEADER_BYTES, count: REQUESTS },
      { layout: RING_HEADER, at: ring(PAGES.transmit) },
      { layout: NET_TX_REQUEST, at: ring(PAGES.transmit) + RING_HEADER_BYTES, count: FRAMES },
      { layout: RING_HEADER, at: ring(PAGES.receive) },
      { layout: NET_RX_REQUEST, at: ring(PAGES.receive) + RING_HEADER_BYTES, count: FRAMES },
      { layout: GRANT_ENTRY, at: ring(PAGES.grants) + REF.block * GRANT_ENTRY.size, count: 64 },
    ],
    numbers: [RING_SLOTS, DISK_BLOCKS * SECTORS_PER_PAGE, SECTORS_PER_PAGE, PAGE_SIZE, 1536, REF.block, DOM0, 256],
  };
}

/** A guest without a kernel, with its pages. */
class RingGuest {
  readonly domain: Domain;
  readonly #grantTable: number;

  constructor(domain: Domain) {
    this.domain = domain;
    const page = new Uint8Array(PAGE_SIZE);
    domain.environment.memory.copyOut(START_INFO_PFN, 0, page, 0, PAGE_SIZE);
    this.#grantTable = getField(START_INFO.x86_64, page, 0, 'grantTablePfn');
  }

  /** Stores a page of a specimen where it belongs. */
  store(page: number, bytes: Uint8Array): void {
    const pfn = page === PAGES.grants ? this.#grantTable : FIRST_PFN + page;
    this.domain.environment.memory.copyIn(Pfn(pfn), 0, bytes, page * PAGE_SIZE, PAGE_SIZE);
  }

  load(page: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.domain.environment.memory.copyOut(Pfn(FIRST_PFN + page), 0, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  /** Connects both devices on rings that are granted and empty. Returns the ports. */
  *connect(bytes: Uint8Array): Process<readonly number[]> {
    const { xenstore, hypercalls } = this.domain.environment;
    hypercalls.setCallback(() => undefined);
    this.store(PAGES.grants, bytes);
    const ports: number[] = [];
    for (const [frontend, rings] of [
      [VBD_FRONTEND, { 'ring-ref': REF.block }],
      [VIF_FRONTEND, { 'tx-ring-ref': REF.transmit, 'rx-ring-ref': REF.receive }],
    ] as const) {
      const port = hypercalls.eventChannels.allocUnbound(DOM0);
      ports.push(port);
      for (const [name, ref] of Object.entries(rings)) yield* xenstore.write(`${frontend}/${name}`, String(ref));
      yield* xenstore.write(`${frontend}/event-channel`, String(port));
      yield* xenstore.write(`${frontend}/state`, String(XenbusState.initialised));
      const backend = yield* xenstore.read(`${frontend}/backend`);
      while ((yield* xenstore.read(`${backend}/state`)) !== String(XenbusState.connected)) yield Ns(1000);
    }
    return ports;
  }
}

export function ringsKind(): Kind {
  const parts = once(() => ({ memory: fuzzMemory(), specimens: [makePages(0), makePages(1)].map(specimenOf) }));
  return {
    name: 'rings',
    cases: 300,
    reasons: ['a block request ends with an error', 'a frame is not sent', 'the requests are not taken up'],
    draw: (random) => drawBytes(random, parts().specimens),
    play: (fuzzCase) => {
      const { memory, specimens } = parts();
      const machine = new FuzzMachine(new MemoryImage(DISK_BLOCKS * PAGE_SIZE), memory, MOST_EVENTS);
      return playRings(machine, fuzzCase, specimens);
    },
  };
}

function playRings(machine: FuzzMachine, fuzzCase: FuzzCase, specimens: readonly Specimen[]): Verdict {
  const { simulation, toolstack, memory } = machine;
  const sound = specimens[fuzzCase.specimen % specimens.length]!.bytes;
  const bytes = editedBytes(fuzzCase, specimens);
  // Another guest, on a disk of its own.
  const image = new MemoryImage(DISK_BLOCKS * PAGE_SIZE);
  const device = new Drive(simulation, memory, image, {
    ...driveOptions(SERVER_2026.disk, 'instant'),
    identity: 'other',
  });
  const victim = machine.run(domainOf(toolstack.createDomain({ ...machine.config, name: 'victim', device })));
  victim.environment.memory.zero(VICTIM_PFN, 0, PAGE_SIZE);
  victim.environment.memory.writeU32(VICTIM_PFN, 0, 0x5a5a_5a5a);
  const ofVictim = (): number =>
    [VICTIM_PFN, Pfn(0), Pfn(3)].reduce((crc, pfn) => crc32c(memory.frame(victim.frameOf(pfn)), 0, PAGE_SIZE, crc), 0);
  const before = ofVictim();
  const domain = machine.run(domainOf(toolstack.createDomain({ ...machine.config, mac: MAC })));
  const guest = new RingGuest(domain);
  const ports = machine.run(guest.connect(sound));
  const { hypercalls } = domain.environment;
  for (const page of [PAGES.grants, PAGES.block, PAGES.transmit, PAGES.receive]) guest.store(page, bytes);
  machine.hypervisor.network.bridge.attach(() => undefined).input([frameFor(60), frameFor(3000)]);
  for (const port of ports) hypercalls.eventChannels.send(port as never);
  settle(machine);
  toolstack.list.checkInvariants();
  must('another guest keeps its memory', ofVictim() === before, () => 'a page of it has changed');
  const verdict = verdictOf(guest, bytes);
  machine.run(toolstack.destroyDomain(domain));
  settle(machine);
  toolstack.list.checkInvariants();
  return { ...verdict, events: simulation.eventCount };
}

const frameFor = (bytes: number): Uint8Array =>
  encodeFrame({
    destination: MAC,
    source: 0x09 as MacAddress,
    type: EtherType.transport,
    payload: new Uint8Array(bytes),
  });

/** Runs until nothing happens any more. */
function settle(machine: FuzzMachine): void {
  machine.run(
    (function* () {
      yield Ns(50_000_000);
    })(),
  );
}

/** @param stored the pages as the guest stored them */
function verdictOf(guest: RingGuest, stored: Uint8Array): Verdict {
  const buffers = framesForAnswers(stored);
  // A ring that is also a buffer holds what was read or received: no answer can be told from it.
  const answers = (page: number, slots: number, slotBytes: number): ReturnType<typeof answersOf> =>
    buffers.has(FIRST_PFN + page)
      ? []
      : answersOf(guest.load(page), getField(RING_HEADER, stored, page * PAGE_SIZE, 'rspProd'), slots, slotBytes);
  const blocks = answers(PAGES.block, RING_SLOTS, RING_SLOT_BYTES);
  const isFailed = blocks.some(([page, at]) => getField(RING_RESPONSE, page, at, 'status') === BlkifStatus.error);
  const frames = answers(PAGES.transmit, NET_RING_SLOTS, NET_TX_REQUEST.size);
  const isUnsent = frames.some(([page, at]) => getField(NET_TX_RESPONSE, page, at, 'status') !== 0);
  if (blocks.length === 0 || frames.length === 0) return refusedFor('the requests are not taken up');
  if (isFailed) return refusedFor('a block request ends with an error');
  return isUnsent ? refusedFor('a frame is not sent') : TAKEN;
}

/**
 * The pages that the guest may have read or received into: those that its slots name by a grant.
 * @param stored the pages as the guest stored them
 */
function framesForAnswers(stored: Uint8Array): ReadonlySet<number> {
  const slotsOf = (page: number, slots: number, slotBytes: number): number[] =>
    Array.from({ length: slots }, (_, n) => page * PAGE_SIZE + RING_HEADER_BYTES + n * slotBytes);
  const refs = [
    ...slotsOf(PAGES.receive, NET_RING_SLOTS, NET_RX_REQUEST.size).map((at) =>
      getField(NET_RX_REQUEST, stored, at, 'grant'),
    ),
    ...slotsOf(PAGES.block, RING_SLOTS, RING_SLOT_BYTES).flatMap((at) =>
      Array.from({ length: SEGMENTS_PER_REQUEST }, (_, n) => getField(RING_REQUEST, stored, at, 'segments', 2 * n)),
    ),
  ];
  const granted = refs.filter((ref) => ref < PAGE_SIZE / GRANT_ENTRY.size);
  const entry = (ref: number): number => PAGES.grants * PAGE_SIZE + ref * GRANT_ENTRY.size;
  return new Set(granted.map((ref) => getField(GRANT_ENTRY, stored, entry(ref), 'frame')));
}

/** Places of the answers that a back-end has published. */
function answersOf(
  page: Uint8Array,
  before: number,
  slots: number,
  slotBytes: number,
): (readonly [Uint8Array, number])[] {
  const produced = getField(RING_HEADER, page, 0, 'rspProd');
  // The word is in the guest's page: without an answer it is what the guest has stored there.
  if (produced === before) return [];
  must('a ring has no more answers than slots', produced <= slots, () => `${produced} answers`);
  return Array.from({ length: produced }, (_, n) => [page, RING_HEADER_BYTES + n * slotBytes] as const);
}
