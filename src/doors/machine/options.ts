/** What a machine is made of, and how it is rebooted. */

import { POLICIES, type PolicyName } from '../../kernel/index.ts';
import {
  checkArgument,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { ARCHS, type Arch } from '../../base/arch.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { guestMemoryMax } from '../../experiment/host/host.ts';
import { archOf, DISKS, type DiskName, profileOf, type ProfileName } from '../../experiment/host/profiles.ts';
import {
  STRATEGIES,
  type StrategyName,
  VMM_STRATEGIES,
  type VmmStrategyName,
} from '../../experiment/host/strategies.ts';
import type { ProfileSource } from '../../machine/profile.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../../xen/protections.ts';
import { Disk } from './disk.ts';

/** What a machine is made of. Only the disk is needed. */
export interface MachineOptions {
  /** What the disk holds: `files`, `image`, or of stillwarm/node `directory` and `imageFile`. */
  readonly disk: Disk;
  /** What survives a reboot of the guest; `warm-cache+metadata` by default. */
  readonly strategy?: StrategyName;
  /** An integer that decides everything random; 1 by default. */
  readonly seed?: number;
  /** Memory of the guest, bytes: whole pages of 4096, 9 MiB to 64 GiB; 64 MiB by default. */
  readonly memory?: number;
  /**
   * Costs of the machine: the name of a profile, or one of your own, whole or with what it
   * `extends`. `server-2026` by default.
   */
  readonly profile?: ProfileName | ProfileSource;
  /** The profile's by default. */
  readonly arch?: Arch;
  /** Service times of the drive; the profile's by default. */
  readonly drive?: DiskName;
  /** What the guests' kernels replace and read ahead; as Linux 2.6.12 by default. */
  readonly policy?: PolicyName;
  /** Protections to switch off, or checksums to switch on. */
  readonly protections?: Partial<Protections>;
  /**
   * Events after which a run ends with an ArgumentError; 100 million by default. A call that was
   * under way keeps what it has locked, until a reboot.
   */
  readonly eventLimit?: number;
  /**
   * Whether steps are counted, for `crashAt({ step })`. Everything then takes several times as
   * long. False by default.
   */
  readonly steps?: boolean;
}

/** Where the guest of a machine crashes. */
export type GuestCrashPoint =
  | {
      /** After so many events. */
      readonly event: number;
    }
  | {
      /** Before this step, counted from 0. */
      readonly step: number;
      /** Lines of 64 bytes of it that are stored, if it is a copy; 0 by default. */
      readonly lines?: number;
    };

/** How a machine is rebooted: in order, by its strategy, unless something is said here. */
export interface MachineReboot {
  /** The guest crashes first: nothing is flushed. False by default. */
  readonly crash?: boolean;
  /** Of the next guest, and not of one that goes on; the strategy up to now by default. */
  readonly strategy?: StrategyName;
  /** The hypervisor is rebooted as well, in this way. By default only the guest is. */
  readonly hypervisor?: VmmStrategyName;
  /**
   * Called when the old guest is gone and nothing of the next one is there, as for a run of e2fsck.
   * It reads the disk, and returns what the disk holds from now on; undefined for no change. Blocks
   * that differ are forgotten by the hypervisor, and what was cached of all others stays. It takes
   * no virtual time. Not with `hypervisor`.
   */
  readonly betweenGuests?: (disk: Disk) => Disk | Uint8Array | undefined;
}

const OPTIONS = Object.keys({
  ...{ disk: 1, strategy: 1, seed: 1, memory: 1, profile: 1, arch: 1, drive: 1, protections: 1, eventLimit: 1 },
  ...{ policy: 1, steps: 1 },
} satisfies Record<keyof MachineOptions, 1>);
const REBOOT = Object.keys({ crash: 1, strategy: 1, hypervisor: 1, betweenGuests: 1 } satisfies Record<
  keyof MachineReboot,
  1
>);

/** @internal @throws ArgumentError for what is missing, unknown or out of range */
export function checkOptions(options: MachineOptions): void {
  checkKeys('options', options, OPTIONS);
  const { disk, strategy, seed, memory, profile, arch, drive, policy, protections, eventLimit, steps } = options;
  checkArgument(disk instanceof Disk, 'disk', 'expected a Disk: files({ name: text }), image(bytes), directory(path)');
  if (strategy !== undefined) checkOneOf('strategy', strategy, STRATEGIES);
  if (seed !== undefined) checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
  if (profile !== undefined) profileOf({ profile });
  if (arch !== undefined) checkOneOf('arch', arch, ARCHS);
  if (memory !== undefined) {
    checkInteger('memory', memory, PAGE_SIZE, guestMemoryMax(archOf({ arch, profile: profile ?? 'server-2026' })));
    checkArgument(memory % PAGE_SIZE === 0, 'memory', `${memory} bytes are not whole pages`);
  }
  if (drive !== undefined) checkOneOf('drive', drive, DISKS);
  if (policy !== undefined) checkOneOf('policy', policy, POLICIES);
  if (protections !== undefined) {
    checkKeys('protections', protections, Object.keys(DEFAULT_PROTECTIONS));
    for (const [name, isOn] of Object.entries(protections)) checkOneOf(`protections.${name}`, isOn, [false, true]);
  }
  if (eventLimit !== undefined) checkInteger('eventLimit', eventLimit, 1);
  if (steps !== undefined) checkOneOf('steps', steps, [false, true]);
}

/**
 * @internal
 * @param counts whether the machine counts steps
 * @throws ArgumentError for what is no moment
 */
export function checkCrashPoint(point: GuestCrashPoint, counts: boolean): void {
  checkObject('options', point);
  if (!('step' in point)) {
    checkKeys('options', point, ['event']);
    checkInteger('event', point.event);
    return;
  }
  checkKeys('options', point, ['step', 'lines']);
  checkInteger('step', point.step);
  if (point.lines !== undefined) checkInteger('lines', point.lines, 0, PAGE_SIZE / 64);
  checkArgument(counts, 'step', 'the machine counts no steps; boot it with steps: true');
}

/** @internal @throws ArgumentError unless it is a number of 0 to 1 */
export function checkShare(argument: string, share: number): void {
  checkArgument(typeof share === 'number' && share >= 0 && share <= 1, argument, 'expected 0 to 1');
}

/** @internal @throws ArgumentError for what is unknown, or does not go together */
export function checkReboot(options: MachineReboot): void {
  checkKeys('options', options, REBOOT);
  const { crash, strategy, hypervisor, betweenGuests } = options;
  if (crash !== undefined) checkOneOf('crash', crash, [false, true]);
  if (strategy !== undefined) checkOneOf('strategy', strategy, STRATEGIES);
  if (hypervisor !== undefined) checkOneOf('hypervisor', hypervisor, VMM_STRATEGIES);
  checkFunction('betweenGuests', betweenGuests, true);
  checkArgument(
    betweenGuests === undefined || hypervisor === undefined,
    'betweenGuests',
    'not when the hypervisor is rebooted as well',
  );
}
