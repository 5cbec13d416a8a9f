/**
 * The third phase of a boot: page I/O and writeback, and the kernel's threads for memory: kswapd,
 * pdflush, the balloon.
 */

import type { GuestEnvironment } from '../../xen/public/index.ts';
import { Balloon } from '../cache/balloon.ts';
import { DirtyRegistry } from '../cache/dirty-registry.ts';
import { Writeback } from '../cache/fs-writeback.ts';
import { MemorySupply } from '../cache/memory-supply.ts';
import { PageIo } from '../cache/page-io.ts';
import { PageLocks } from '../cache/page-locks.ts';
import { DirtyLimits } from '../cache/page-writeback.ts';
import type { CommandLine } from '../command-line.ts';
import type { KernelCosts } from '../costs.ts';
import type { KernelLog } from '../log.ts';
import type { Devices } from './devices.ts';
import type { BootMemory } from './memory.ts';

export interface Cache {
  readonly io: PageIo;
  readonly writeback: Writeback;
  readonly limits: DirtyLimits;
  readonly supply: MemorySupply;
  readonly balloon: Balloon;
}

export function bootCache(
  env: GuestEnvironment,
  costs: KernelCosts,
  log: KernelLog,
  { mm, names, preserved }: BootMemory,
  { queue }: Devices,
  options: CommandLine,
): Cache {
  const locks = new PageLocks(env, costs, mm, queue);
  const registry = options.registersDirtyPages ? new DirtyRegistry(mm, names) : undefined;
  const writeback = new Writeback({ env, costs, log, mm, queue, locks, registry });
  const limits = new DirtyLimits(env, mm, queue, writeback);
  const supply = new MemorySupply(env, costs, mm, limits);
  const io = new PageIo({ env, costs, mm, queue, locks, supply, preserved });
  const balloon = new Balloon(env, costs, mm, supply);
  env.spawn('kswapd', supply.kswapd());
  limits.start();
  const { expireSeconds } = options;
  if (expireSeconds > 0 && preserved.unclaimed > 0) env.spawn('expire', preserved.expire(env, expireSeconds));
  return { io, writeback, limits, supply, balloon };
}
