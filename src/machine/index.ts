/** The hardware: machine memory as raw bytes, and the profiles of costs. */
export { MachineMemory } from './memory.ts';
export { type Constant, type DiskSection, type Profile, values } from './profile.ts';
export * from './profiles/drives-1998.ts';
export * from './profiles/pentium4-2006.ts';
export * from './profiles/server-2026.ts';
