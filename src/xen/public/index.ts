/** The ABI between hypervisor and guests: everything that a guest may import. */
export * from './blkif.ts';
export * from './cache-map-op.ts';
export * from './environment.ts';
export * from './guest-memory.ts';
export * from './reason.ts';
export * from './start-info.ts';
