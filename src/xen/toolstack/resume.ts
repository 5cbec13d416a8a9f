/**
 * Guests that go on: suspended where they are, left by another hypervisor (quick-reload.ts), or
 * come from elsewhere (restore.ts). Each returns from the hypercall by which it suspended itself.
 *
 * A guest knows what it has cached and mounted. So it goes on only with the disk that it had, in
 * the state in which it left it. With another disk, or one that was written to from elsewhere, it
 * would read what is not there. It would also write to what is not its own.
 */

import { checkObject, checkText } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { ok } from '../../base/result.ts';
import { type DomId, Mfn } from '../../base/units.ts';
import type { Process } from '../../sim/simulation.ts';
import { type BoundDevice, storeRecordOf } from '../records/devices.ts';
import { type Domain } from '../domain/domain.ts';
import { makeDomain, type MakerHost } from '../domain/make-domain.ts';
import { DomainEnvironment } from '../domain/environment.ts';
import { type DomainConfig, type DomainEntry, NO_FRAMES, planOf } from './domain-entry.ts';
import type { DomainList } from './domain-list.ts';
import { type DomainStateRecord, eraseDomainState } from '../records/domain-state.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, type Outcome, refused } from '../domain/lifecycle.ts';
import type { P2mList } from '../frames/p2m.ts';
import { noReasons, Reason, type ReasonCode } from '../public/reason.ts';
import { type DomainRecord, encodeName, writeDomainRecord } from '../records/records.ts';
import { describeDomain } from './store-entries.ts';

/** Why a guest does not go on with a disk, in words. */
export function diskProblem(reason: ReasonCode): string {
  return reason === Reason.otherDisk ? 'its disk is another one' : 'its disk was written to while it was away';
}

/** A domain whose guest comes from elsewhere, before it is there. */
export interface IncomingDomain {
  readonly domid: DomId;
  /** As frame records say it. */
  readonly owner: number;
  readonly disk: BoundDevice;
  /** The P2M list itself: no page has a frame yet. */
  readonly p2m: P2mList;
  /** All zero, and to be placed. */
  readonly frames: Uint32Array;
}

/**
 * A guest that was frozen and is found nowhere: it goes on elsewhere, or its registers are damaged.
 */
const NO_PROGRAM = failed('its program is not where its registers say');

/**
 * Goes on, on its own frames, with the domain of this name, which another hypervisor left suspended
 * or which is suspended here. Its guest returns from the hypercall. Fails when there is no guest to
 * go on with. The frames of a domain that was left are then given to the scrub list; one that is
 * suspended here stays so.
 */
export function* resumeDomain(hypervisor: MakerHost, list: DomainList, config: DomainConfig): Process<Outcome<Domain>> {
  checkObject('hypervisor', hypervisor, 'map', 'frames');
  checkObject('list', list, 'lifeOf', 'takeUp');
  checkObject('config', config, 'name', 'device');
  checkText('config.name', config.name);
  checkObject('config.device', config.device, 'sectorCount', 'store', 'submit');
  const life = list.lifeOf(config.name);
  const allowed = life.allows('resume');
  if (!allowed.ok) return allowed;
  if (life.state !== 'frozen') return yield* resumeHere(hypervisor, list, config.name);
  const taken = list.takeUp(config.name, config.device);
  if (!taken.ok) return taken;
  const left = taken.value;
  life.begin('resume');
  const { memory, map, simulation, xenstore } = hypervisor;
  describeDomain(hypervisor, { domid: left.record.domid, name: config.name, memoryBytes: config.memoryBytes });
  yield* xenstore.served();
  const distrust = left.distrust === Reason.ok && left.disk.isChanged ? Reason.diskChanged : left.distrust;
  const { record, state } = left;
  if (state !== undefined && distrust !== Reason.ok) {
    list.abandon(left);
    return failed(diskProblem(distrust));
  }
  const guest = state && simulation.frozen.thaw(state.program);
  if (state === undefined || !(guest instanceof DomainEnvironment)) {
    list.abandon(left);
    return NO_PROGRAM;
  }
  const entry = list.enter(left, config);
  eraseDomainState(memory, map, record.domid);
  const { number: device } = entry.disk;
  writeDomainRecord(memory, map, { ...record, device, store: storeRecordOf(entry.disk.device) });
  return ok(goOn(hypervisor, entry, record.bootPages, state, guest, { ...entry.refused }));
}

function* resumeHere(hypervisor: MakerHost, list: DomainList, name: string): Process<Outcome<Domain>> {
  const domain = list.domains.find((known) => known.name === name);
  assert(domain !== undefined, 'a domain that is suspended here is there');
  domain.begin('resume');
  return yield* continueDomain(hypervisor, list, domain);
}

/**
 * @internal Goes on with a domain that is suspended and held, where it is; the operation is over
 * then. Fails, and the domain stays suspended, when its guest goes on elsewhere or its disk was
 * written to meanwhile.
 */
export function* continueDomain(hypervisor: MakerHost, list: DomainList, domain: Domain): Process<Outcome<Domain>> {
  const entry = list.entryOf(domain);
  yield* domain.released();
  // From here to the guest nothing waits: nothing writes to the disk in between.
  if (domain.disk.isChangedWhileStanding) {
    domain.end();
    return failed(diskProblem(Reason.diskChanged));
  }
  const state = domain.freeze();
  const guest = hypervisor.simulation.frozen.thaw(state.program);
  if (!(guest instanceof DomainEnvironment)) {
    domain.end();
    return NO_PROGRAM;
  }
  entry.domain = undefined;
  domain.kill();
  domain.bury();
  describeDomain(hypervisor, entry);
  entry.life.step('rebuild');
  return ok(goOn(hypervisor, entry, domain.bootPages, state, guest));
}

/**
 * Makes room for a domain whose guest comes from elsewhere; the caller places the frames. Then it
 * is completed, or abandoned. Refused while there is a domain of this name, or when no domain can
 * have it. Fails when there is no memory or no slot for it.
 */
export function* receiveDomain(
  { p2mLists }: Pick<Hypervisor, 'p2mLists'>,
  list: DomainList,
  config: DomainConfig,
  nrPages: number,
  nrFrames: number,
): Process<Outcome<IncomingDomain>> {
  if (encodeName(config.name) === undefined)
    return refused(`its name "${config.name}" is not text of at most 31 bytes without a zero byte`);
  const room = yield* list.makeRoom('restore', config, nrPages, nrFrames);
  if (!room.ok) return room;
  const { entry, frames } = room.value;
  const p2m = p2mLists.view(entry.p2mMfn, nrPages);
  assert(p2m !== undefined, 'there is room for the P2M list');
  p2m.clear();
  entry.p2m = p2m;
  entry.held = frames;
  return ok({ domid: entry.domid, owner: ownerOfDomain(entry.domid), disk: entry.disk, p2m, frames });
}

/**
 * The guest of a domain that was made room for goes on, on the frames that were placed; the others
 * go to the scrub list. When its program is not found, nothing has happened.
 */
export function* completeIncoming(
  hypervisor: MakerHost & Pick<Hypervisor, 'devices'>,
  list: DomainList,
  { domid, disk, p2m, frames }: IncomingDomain,
  { bootPages, boots, store }: Pick<DomainRecord, 'bootPages' | 'boots' | 'store'>,
  state: DomainStateRecord,
): Process<Outcome<Domain>> {
  const { memory, map, simulation, scrubber, xenstore } = hypervisor;
  const entry = list.entryAt(domid);
  describeDomain(hypervisor, entry);
  yield* xenstore.served();
  // From here to the guest nothing waits: nothing writes to the disk in between.
  const reason = hypervisor.devices.verify(store, disk.device);
  if (reason !== Reason.ok) return failed(diskProblem(reason));
  // What was written to it while the guest ran elsewhere is in the generation that was just
  // compared.
  disk.accept();
  const guest = simulation.frozen.thaw(state.program);
  if (!(guest instanceof DomainEnvironment) || guest.nrPages !== p2m.length) return NO_PROGRAM;
  const placed = new Set(p2m.frames());
  for (const mfn of frames) if (!placed.has(mfn)) scrubber.add(Mfn(mfn));
  entry.held = NO_FRAMES;
  entry.boots = boots;
  writeDomainRecord(memory, map, {
    domid,
    device: disk.number,
    store: storeRecordOf(disk.device),
    nrPages: p2m.length,
    bootPages,
    p2mMfn: entry.p2mMfn,
    p2mCrc: p2m.crc,
    consumed: false,
    name: entry.name,
    recencyCrc: undefined,
    boots,
  });
  return ok(goOn(hypervisor, entry, bootPages, state, guest));
}

/** Gives the frames of a domain that was made room for to the scrub list. */
export function abandonIncoming(
  { scrubber }: Pick<Hypervisor, 'scrubber'>,
  list: DomainList,
  { domid, frames }: IncomingDomain,
): void {
  for (const mfn of frames) scrubber.add(Mfn(mfn));
  list.remove(list.entryAt(domid));
}

/** A guest goes on in its entry's frames. */
function goOn(
  hypervisor: MakerHost,
  entry: DomainEntry,
  bootPages: number,
  state: DomainStateRecord,
  guest: DomainEnvironment,
  refused = noReasons(),
): Domain {
  entry.domain = makeDomain(hypervisor, {
    ...planOf(entry),
    bootPages,
    sharedInfoPfn: state.sharedInfoPfn,
    grantTablePfn: state.grantTablePfn,
    preserved: 0,
    refused,
    recency: state.hasRecency ? 'told' : 'untold',
    frozen: { environment: guest, registers: state.registers, ports: state.ports },
  });
  return entry.domain;
}
