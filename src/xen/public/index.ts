/**
 * The ABI between hypervisor and guests: everything that a guest may import.
 *
 * @module stillwarm/xen/public
 */
export * from './blkif.ts';
export * from './cache-map-op.ts';
export * from './environment.ts';
export * from './event-channel.ts';
export * from './grant-table.ts';
export * from './guest-memory.ts';
export * from './netif.ts';
export * from './reason.ts';
export * from './recency.ts';
export * from './ring.ts';
export * from './start-info.ts';
export * from './xenbus.ts';
