/** The fourth phase of a boot: the root file system is mounted, and there are system calls. */

import { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import { DENTRIES_PER_PAGE, INODES_PER_PAGE, SlabCache } from '../cache/slab.ts';
import type { CommandLine } from '../command-line.ts';
import type { KernelCosts } from '../costs.ts';
import { FileMap } from '../file/filemap.ts';
import { FileWrite } from '../file/filemap-write.ts';
import { MemoryMaps } from '../file/mmap.ts';
import { PathWalker } from '../file/namei.ts';
import { DentryCache } from '../fs/dcache.ts';
import { Ext2Directories } from '../fs/ext2/dir.ts';
import { Ext2 } from '../fs/ext2/ext2.ts';
import { Namespace } from '../fs/ext2/namei.ts';
import { Syscalls } from '../syscall/syscalls.ts';
import type { Cache } from './cache.ts';
import type { Devices } from './devices.ts';
import type { BootMemory } from './memory.ts';
import type { BootParameters } from './start-info.ts';

export interface Files {
  readonly ext2: Ext2;
  readonly dentrySlab: SlabCache;
  readonly inodeSlab: SlabCache;
  readonly syscalls: Syscalls;
}

/** What the file system is mounted with. */
export interface FilesParts {
  /** The environment in which programs store: through their own page tables, not through the kernel's mapping. */
  readonly programs: GuestEnvironment;
  readonly env: GuestEnvironment;
  readonly costs: KernelCosts;
  readonly memory: BootMemory;
  readonly devices: Devices;
  readonly cache: Cache;
  readonly parameters: BootParameters;
  readonly options: CommandLine;
}

/** Throws ModelError EINVAL when the root cannot be mounted, EIO when it cannot be read. */
export function* bootFiles(parts: FilesParts): Process<Files> {
  const { programs, env, costs, memory, devices, cache, parameters, options } = parts;
  const { mm, preserved } = memory;
  const { io, writeback, limits, supply } = cache;
  const inodeSlab = new SlabCache(mm, supply, INODES_PER_PAGE);
  const dentrySlab = new SlabCache(mm, supply, DENTRIES_PER_PAGE);
  const dentries = new DentryCache(dentrySlab);
  const ext2 = new Ext2(env, costs, mm, io, writeback, options.naming, inodeSlab, devices.sectorCount);
  ext2.onFreeBlocks = (block, count) => {
    preserved.discard(block, count);
  };
  mm.reclaim.addShrinker(dentries);
  mm.reclaim.addShrinker(ext2.inodes);
  yield* ext2.mount();
  const directories = new Ext2Directories(env, costs, io, ext2);
  const walker = new PathWalker(env, costs, io, ext2.inodes, directories, dentries);
  ext2.inodes.put(yield* ext2.inodes.root());
  const files = new FileMap(env, costs, mm, io);
  const syscalls = new Syscalls(env, costs, {
    mm,
    files,
    writer: new FileWrite(env, costs, mm, io, writeback, limits, ext2),
    ext2,
    directories,
    walker,
    namespace: new Namespace(env.memory, ext2, directories, walker),
    maps: new MemoryMaps(programs, costs, mm, io, files, writeback, ext2),
    module: { pfn: Pfn(parameters.modulePfn), bytes: parameters.moduleBytes },
    sockets: devices.sockets,
  });
  return { ext2, dentrySlab, inodeSlab, syscalls };
}
