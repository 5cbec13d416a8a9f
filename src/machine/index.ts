/**
 * The hardware: machine memory as raw bytes, and the profiles of costs.
 *
 * @module stillwarm/machine
 */
export type { BufferRules, DriveTables, Overhead, Overheads, ZoneRow } from './drive-tables.ts';
export { MachineMemory } from './memory.ts';
export {
  type ArchSection,
  CONSTANT_SOURCES,
  type Constant,
  type ConstantFigure,
  type ConstantName,
  type ConstantRange,
  type ConstantSource,
  constantsOf,
  type CostName,
  type DiskSection,
  type FirmConstant,
  type GuestConstant,
  type GuestCosts,
  type HypervisorConstant,
  type HypervisorCosts,
  type LooseConstant,
  type NicConstant,
  type NicSection,
  type NvmeConstant,
  type NvmeSection,
  type PartialDiskSection,
  type Profile,
  type ProfileSource,
  type RotatingDiskConstant,
  type RotatingDiskSection,
  type Section,
  type Values,
  values,
} from './profile.ts';
export * from './profiles/drives-1998.ts';
export * from './profiles/pentium4-2006.ts';
export * from './profiles/server-2026.ts';
export { withConstants } from './with-constants.ts';
