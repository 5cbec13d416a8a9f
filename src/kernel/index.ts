/** The guest kernel, and its memory management for other simulators to embed. */
export { CacheMap, type ReuseObserver } from './cache-map.ts';
export type { KernelCosts } from './costs.ts';
export { Kernel, type KernelStats } from './kernel.ts';
export { MemMap, NO_PAGE, PG } from './mem-map.ts';
export { MemoryManagement, NO_NAMES } from './mm.ts';
export { PageAllocator, watermarks, type Watermarks } from './page-alloc.ts';
export { AddressSpace, PageCache, type MappedRange, type NameTable } from './page-cache.ts';
export { RA_CACHE_HIT_LIMIT, RA_MAX, RA_MIN, ReadaheadState, type ReadaheadIo } from './readahead.ts';
export { Lru, PAGEVEC_SIZE } from './swap.ts';
export { O } from './filemap.ts';
export { MAP, MS, PROT } from './mmap.ts';
export { type ModulePlace, type SyscallParts } from './open.ts';
export { SEEK } from './read-write.ts';
export type { ListeningSocket, NetworkRequest } from './socket.ts';
export { Connection, connectionOf, Listener, MAX_PAYLOAD, refusal, type Broken, type Timers } from './transport.ts';
export { FADV, Syscalls, type Stat } from './syscalls.ts';
export type { DirectoryEntry } from './ext2-dir.ts';
export { DEF_PRIORITY, Reclaim, SWAP_CLUSTER_MAX, type UnclaimedPages } from './vmscan.ts';
