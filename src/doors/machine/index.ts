/** The door `stillwarm`: a machine, its disk, and the names of what can be done to it. */
export type { Arch } from '../../base/arch.ts';
export { ArgumentError } from '../../base/argument-error.ts';
export { ERRNO, type ErrnoName, GuestPanic, ModelError } from '../../base/errno.ts';
export { InputError } from '../../base/input-error.ts';
export type { Ns } from '../../base/units.ts';
export type { DriveCounters } from '../../disk/drive/drive.ts';
export type { Ext2Options } from '../../disk/mkfs/plan.ts';
export { type DiskName, DISKS, PROFILES, type ProfileName } from '../../experiment/host/profiles.ts';
export type { PartialDiskSection, ProfileSource } from '../../machine/profile.ts';
export {
  STRATEGIES,
  STRATEGY,
  type Strategy,
  type StrategyName,
  VMM_STRATEGIES,
  type VmmStrategyName,
} from '../../experiment/host/strategies.ts';
export type { Difference } from '../../experiment/judge/verifier.ts';
export {
  FADV,
  MAP,
  MS,
  O,
  POLICIES,
  type PolicyName,
  PROT,
  SEEK,
  type KernelStats,
  type Stat,
  type Syscalls,
} from '../../kernel/index.ts';
export type { HypercallStats, Protections } from '../../xen/index.ts';
export { NOTHING, type Process, type StepKind, type Wait, WaitQueue } from '../../sim/index.ts';
export type { BlockingSyscalls } from './blocking-calls.ts';
export type { Blocking, FileCalls } from './file-calls.ts';
export { Disk, type DiskContents, type FileTree, files, image } from './disk.ts';
export { Machine } from './machine.ts';
export { GuestCrash, type Program, type ResultsOf } from './program-run.ts';
export { type CrashPlan, type CrashPoint, crashes, hypervisorCrashes, powerLosses } from './crash-points.ts';
export type { GuestCrashPoint, MachineOptions, MachineReboot } from './options.ts';
export type * from './results.ts';
export {
  type DirectoryEntry,
  type FileSystemStatistics,
  type KernelMessage,
  type ListeningSocket,
  type Time,
  type Timespec,
  XATTR,
} from '../../kernel/index.ts';
