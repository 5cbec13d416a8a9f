/** The parts of a machine with one guest, from a user's options. */

import { counted } from '../../base/counted.ts';
import { InputError } from '../../base/input-error.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { JoinedImage } from '../../disk/image/joined-image.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { machineMemoryFor } from '../../experiment/host/host.ts';
import { VmmMachine, type VmmMachineOptions } from '../../experiment/host/machine-room.ts';
import { archOf, profileOf } from '../../experiment/host/profiles.ts';
import { cmdLineOf, type KernelOptions, type StrategyName } from '../../experiment/host/strategies.ts';
import { KERNEL_RULES, type KernelRules } from '../../kernel/rules.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { SteppedMemory } from '../../machine/stepped-memory.ts';
import type { StepObserver } from '../../sim/index.ts';
import { saveFileBytes } from '../../xen/index.ts';
import type { MachineBytes } from './machine-bytes.ts';
import type { MachineOptions } from './options.ts';

const MIB = 1 << 20;

/** A rule that every guest keeps. */
export type GuestRule = keyof KernelRules;
/** Rules of a guest by name. */
export const GUEST_RULES = Object.keys(KERNEL_RULES) as readonly GuestRule[];

/** What a machine is without options. */
export const DEFAULTS = { strategy: 'warm-cache+metadata', memory: 64 * MIB, eventLimit: 100_000_000 } as const;

/** What a machine is made with besides. */
export interface RoomParts {
  /** Left of another machine, from which this one is made; it is off then. */
  readonly left?: MachineBytes | undefined;
  /** Memory that this one takes over; its contents are lost. Not with `left`. */
  readonly memory?: MachineMemory | undefined;
  /** Rules that no guest of it keeps, for the crash lab; none by default. */
  readonly guestWithout?: readonly GuestRule[] | undefined;
  /** Is told of each step; by default the machine knows of no steps. */
  readonly steps?: StepObserver | undefined;
}

/** The command line of a guest. */
export function guestCmdLine(
  strategy: StrategyName,
  options: KernelOptions,
  without: readonly GuestRule[] = [],
): string {
  const cmdLine = cmdLineOf(strategy, options);
  return without.length === 0 ? cmdLine : `${cmdLine} without=${without.join(',')}`;
}

/**
 * A machine, and the partition of the guest on its drive: domain 0's save file lies behind it.
 * @throws UserError when the memory is too small; InputError for a disk of less than a sector
 */
export function makeRoom(
  options: MachineOptions,
  onReuse: NonNullable<VmmMachineOptions['onReuse']>,
  { left, memory: bytes = left?.memory, guestWithout, steps }: RoomParts,
): { readonly room: VmmMachine; readonly partition: { readonly start: number; readonly bytes: number } } {
  const { disk, strategy = DEFAULTS.strategy, seed = 1, memory = DEFAULTS.memory } = options;
  const { profile = 'server-2026', drive = 'profile', arch, protections } = options;
  if (disk.size < SECTOR_SIZE) throw new InputError(`${counted(disk.size, 'byte is', 'bytes are')} too few`);
  const saveArea = new MemoryImage(saveFileBytes(memory, archOf({ arch, profile })));
  const media = new JoinedImage([new OverlayImage(disk.contents), saveArea]);
  const [partition, savePlace] = media.places;
  const room = new VmmMachine({
    seed,
    profile: profileOf({ profile }),
    arch,
    disk: drive,
    image: left?.image ?? media,
    partitions: [partition!],
    saveAreas: [savePlace!],
    memory:
      steps === undefined
        ? (bytes ?? new MachineMemory(machineMemoryFor(memory)))
        : new SteppedMemory(machineMemoryFor(memory), steps, bytes),
    steps,
    guestMemory: memory,
    cmdLine: guestCmdLine(strategy, options, guestWithout),
    ...(protections && { protections }),
    ...(left && { left }),
    onReuse,
  });
  return { room, partition: partition! };
}
