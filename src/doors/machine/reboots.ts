/** What each way of rebooting a machine does, with its one guest and its disk. */

import { ArgumentError, checkArgument, checkBytes } from '../../base/argument-error.ts';
import { equalBytes } from '../../base/bytes.ts';
import { ModelError } from '../../base/errno.ts';
import { InputError } from '../../base/input-error.ts';
import { Ns, PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import { UserError } from '../../base/user-error.ts';
import type { Writer } from '../../disk/image/backing-store.ts';
import { HypervisorReboot } from '../../experiment/host/hypervisor-reboot.ts';
import type { VmmGuest, VmmMachine } from '../../experiment/host/machine-room.ts';
import { STRATEGY, type StrategyName, type VmmStrategyName } from '../../experiment/host/strategies.ts';
import type { Process } from '../../sim/index.ts';
import { prefetchList } from '../../workload/prefetch.ts';
import { type Domain, domainOf } from '../../xen/index.ts';
import { Disk, image } from './disk.ts';
import { chanceOf } from './machine-bytes.ts';
import type { MachineState, RebootReport } from './results.ts';

/** The machine's guest. */
export const NAME = 'guest0';

/** What a function of the caller's has thrown, on its way through a reboot. */
class CallersError extends Error {}

/** Calls a function of the caller's while the machine reboots. */
function ofCaller<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new CallersError('', { cause });
  }
}

/**
 * What a boot has thrown, as its caller is to see it. A disk that cannot be used is named, and an
 * option has the name that the caller has given it by.
 */
export function errorOfBoot(error: unknown): unknown {
  if (error instanceof CallersError) return error.cause;
  if (error instanceof ArgumentError && error.message.startsWith('memoryBytes: '))
    return new ArgumentError(error.message.replace('memoryBytes', 'memory'));
  const isOfDisk = error instanceof InputError || error instanceof ModelError || error instanceof UserError;
  return isOfDisk ? new InputError(`disk: ${error.message}`) : error;
}

/** Makes or boots a machine. Throws InputError for a disk that cannot be used. */
export function namingDisk<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw errorOfBoot(error);
  }
}

/** How a machine is rebooted. */
export interface RebootPlan {
  /** Of the machine until now. */
  readonly state: MachineState;
  readonly strategy: StrategyName;
  /** Of the next guest. */
  readonly cmdLine: string;
  readonly hypervisor: VmmStrategyName | undefined;
  /** Paths of files to read ahead. */
  readonly reads: readonly string[];
  /** Takes why something does not go on. */
  readonly problems: string[];
  /** Called when no guest is there. */
  readonly change: () => void;
}

/**
 * Reboots a machine. A hypervisor whose guest has crashed goes down where it stands, at the call:
 * nothing is handed over.
 */
export function rebooting(room: VmmMachine, plan: RebootPlan): Process {
  const { state, hypervisor } = plan;
  if (state === 'off') return switchOn(room, plan);
  if (hypervisor === undefined) return rebootGuest(room, plan);
  if (state === 'running') return rebootHypervisor(room, hypervisor, plan);
  room.reset('kept', chanceOf(room, 'reset'));
  return switchOn(room, plan);
}

/**
 * A hypervisor is made from what memory holds, and the guest boots. A guest that was suspended
 * there has no program any more, and its domain is taken down.
 */
function* switchOn(room: VmmMachine, { hypervisor, problems, change }: RebootPlan): Process {
  room.guests.clear();
  change();
  const { problem } = yield* room.bootHypervisor();
  if (hypervisor !== undefined && problem !== undefined) problems.push(problem);
  const { lost } = yield* room.resumeGuests();
  problems.push(...lost.map(({ reason }) => reason));
  yield* room.start();
}

/** The next guest takes the place of one that runs, or has crashed. */
function* rebootGuest(room: VmmMachine, { state, strategy, cmdLine, reads, change }: RebootPlan): Process {
  const { preserve, writeDirty, prefetch } = STRATEGY[strategy];
  if (state === 'crashed') yield Ns(room.guestCosts.crashDetectNs);
  else yield* room.guests.get(NAME)!.kernel.shutdown();
  // One that has crashed in its boot is no guest yet.
  const domain = domainNow(room)!;
  const next = yield* domainOf(
    room.toolstack.restartDomain(domain, {
      preserve,
      writeDirty,
      cmdLine,
      ...(prefetch && { module: prefetchList(reads) }),
      betweenGuests: change,
    }),
  );
  yield* room.boot(room.configs[0]!, next);
}

/** The domain of the machine's guest, whether it runs or has stopped; undefined: there is none. */
export function domainNow({ toolstack }: VmmMachine): Domain | undefined {
  return toolstack.list.domains.find(({ name }) => name === NAME);
}

/** The hypervisor is rebooted under a guest that runs. */
function* rebootHypervisor(room: VmmMachine, how: VmmStrategyName, { problems }: RebootPlan): Process {
  const reboot = new HypervisorReboot(room);
  yield* reboot.run(how);
  problems.push(...reboot.reasons.values());
}

/** What a reboot has done that ended with this guest. */
export function reportOf(
  { domain: { stats } }: VmmGuest,
  how: Omit<RebootReport, 'preserved' | 'refused' | 'written'>,
): RebootReport {
  const { preserved, refused, dirty } = stats;
  return { ...how, preserved, refused: { ...refused }, written: dirty.written };
}

/**
 * Asks the caller what the disk is to hold, and sees to it.
 * @returns how many blocks have changed
 */
export function changeDisk(room: VmmMachine, ask: () => unknown): number {
  const next = ofCaller(ask);
  if (next === undefined) return 0;
  if (next instanceof Disk) return replaceDisk(room, next);
  checkBytes('betweenGuests', next);
  return replaceDisk(room, image(next));
}

/**
 * Gives the guest's disk other contents while no guest is there, whole sectors. The hypervisor
 * forgets the blocks that differ, and no others.
 * @returns how many blocks of 4 KiB that were
 * @throws ArgumentError for contents of another size
 */
function replaceDisk({ drive, hypervisor, configs }: VmmMachine, { contents }: Disk): number {
  const { device } = configs[0]!;
  const bytes = device.sectorCount * SECTOR_SIZE;
  const isWhole = contents.size - (contents.size % SECTOR_SIZE) === bytes;
  checkArgument(isWhole, 'betweenGuests', `it returns ${contents.size} bytes for a disk of ${bytes}`);
  const { firstBlock } = device.store;
  const old = new Uint8Array(PAGE_SIZE);
  const next = new Uint8Array(PAGE_SIZE);
  let changed = 0;
  for (let block = 0, at = 0; at < bytes; block++, at += PAGE_SIZE) {
    const length = Math.min(PAGE_SIZE, bytes - at);
    drive.contents.read(firstBlock * PAGE_SIZE + at, old, 0, length);
    contents.read(at, next, 0, length);
    if (equalBytes(old, 0, next, 0, length)) continue;
    const write = (by?: Writer): void => {
      drive.overwrite((firstBlock + block) * SECTORS_PER_PAGE, next.subarray(0, length), by);
    };
    if (hypervisor.power.isOn) hypervisor.changeBlock(device, block, write);
    else write();
    changed++;
  }
  return changed;
}
