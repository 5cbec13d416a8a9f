/** The hardware: machine memory as raw bytes, network adapters and bridges, and the profiles of costs. */
export * from './bridge.ts';
export * from './memory.ts';
export * from './nic.ts';
export * from './profile.ts';
export * from './profiles/drives-1998.ts';
export * from './profiles/pentium4-2006.ts';
export * from './profiles/server-2026.ts';
