/** The fourth phase of a boot: the root file system is mounted, and there are system calls. */

import { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import { DENTRIES_PER_PAGE, INODES_PER_PAGE, SlabCache } from '../cache/slab.ts';
import type { CommandLine } from '../command-line.ts';
import type { KernelCosts } from '../costs.ts';
import type { KernelLog } from '../log.ts';
import { FileMap } from '../file/filemap.ts';
import { FileWrite } from '../file/filemap-write.ts';
import { MemoryMaps } from '../file/mmap.ts';
import { PathWalker } from '../file/namei.ts';
import { Namespace } from '../file/namespace.ts';
import { DentryCache } from '../fs/dcache.ts';
import { Ext2 } from '../fs/ext2/ext2.ts';
import type { Ext2Inode } from '../fs/ext2/inode-info.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { InodeCache } from '../fs/inode.ts';
import { Syscalls } from '../syscall/syscalls.ts';
import type { Cache } from './cache.ts';
import type { Devices } from './devices.ts';
import type { BootMemory } from './memory.ts';
import type { BootParameters } from './start-info.ts';

export interface Files {
  readonly fs: FileSystem;
  readonly dentrySlab: SlabCache;
  readonly inodeSlab: SlabCache;
  readonly syscalls: Syscalls;
}

/** What the file system is mounted with. */
export interface FilesParts {
  /**
   * The environment in which programs store: through their own page tables, not through the
   * kernel's mapping.
   */
  readonly programs: GuestEnvironment;
  readonly env: GuestEnvironment;
  readonly costs: KernelCosts;
  readonly log: KernelLog;
  readonly memory: BootMemory;
  readonly devices: Devices;
  readonly cache: Cache;
  readonly parameters: BootParameters;
  readonly options: CommandLine;
}

/** Throws ModelError EINVAL when the root cannot be mounted, EIO when it cannot be read. */
export function* bootFiles(parts: FilesParts): Process<Files> {
  const { programs, env, costs, log, memory, devices, cache, parameters, options } = parts;
  const { mm, preserved } = memory;
  const { io, writeback, limits, supply } = cache;
  const inodeSlab = new SlabCache(mm, supply, INODES_PER_PAGE);
  const dentrySlab = new SlabCache(mm, supply, DENTRIES_PER_PAGE);
  const dentries = new DentryCache(dentrySlab);
  const inodes = new InodeCache<Ext2Inode>(mm, inodeSlab);
  mm.reclaim.addShrinker(dentries);
  mm.reclaim.addShrinker(inodes);
  const core = { env, costs, log, mm, io, writeback, rules: options.rules };
  const { sectorCount } = devices;
  const fs = yield* Ext2.mount(core, { policy: options.naming, sectorCount, inodes, dentries, copies: preserved });
  const walker = new PathWalker(env, costs, fs, inodes, dentries);
  inodes.put(yield* walker.root());
  const files = new FileMap(env, costs, mm, io);
  const syscalls = new Syscalls(env, costs, {
    mm,
    files,
    writer: new FileWrite(core, limits, fs),
    fs,
    inodes,
    writeback,
    walker,
    namespace: new Namespace(fs, inodes, walker),
    maps: new MemoryMaps({ ...core, env: programs }, files, fs),
    module: { pfn: Pfn(parameters.modulePfn), bytes: parameters.moduleBytes },
    sockets: devices.sockets,
  });
  return { fs, dentrySlab, inodeSlab, syscalls };
}
