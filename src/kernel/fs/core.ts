/** The parts of the kernel below every file system, which each part of one is given together. */

import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { Writeback } from '../cache/fs-writeback.ts';
import type { PageIo } from '../cache/page-io.ts';
import type { KernelCosts } from '../costs.ts';
import type { KernelLog } from '../log.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { KernelRules } from '../rules.ts';

export interface FsCore {
  readonly env: GuestEnvironment;
  readonly costs: KernelCosts;
  readonly log: KernelLog;
  readonly mm: MemoryManagement;
  readonly io: PageIo;
  readonly writeback: Writeback;
  /** Rules that are kept. */
  readonly rules: KernelRules;
}
