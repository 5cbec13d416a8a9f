/**
 * The door `stillwarm/testing`: arbitraries, commands, laws and crash points, for properties of a
 * user's own with fast-check, which is a peer dependency.
 *
 * @module stillwarm/testing
 */
export {
  type Fault,
  type FaultOptions,
  faults,
  type RebootChoice,
  reboots,
  type TreeOptions,
  trees,
} from './arbitraries.ts';
export { checkProperty, type CheckOptions, type Replay } from './check.ts';
export { type CommandOptions, type GuestCommand, guestCommands } from './commands.ts';
export {
  countEvents,
  type CrashOptions,
  crashProperty,
  everyFault,
  type EveryFaultOptions,
  runFault,
  type Survivor,
  type SurvivorCheck,
} from './crash-properties.ts';
export { contents } from './contents.ts';
export { type FileCall, type ProgramOptions, programs } from './file-calls.ts';
export { type GuestModel, type ModelledGuest, startGuest } from './guest-model.ts';
export { LAWS, type Law, type LawInput, type LawName } from './laws.ts';
export { type ModelFile, ModelFs, type ModelStat, type SureEntry } from './model-fs.ts';
export { checkOracle, OracleError } from './oracle.ts';
export { comparing, playing, programOf, readingAll } from './programs.ts';
export type {
  ClaimRefusal,
  ClaimUnderTest,
  FramesUnderTest,
  TableMaker,
  TableStep,
  TableUnderTest,
  TransferUnderTest,
} from './table-world.ts';
export { type TablePropertyOptions, tableProperty, tableSteps } from './tables.ts';
