/**
 * A commit of git, crash-tested: its guest crashes at any step of it, its hypervisor does, or its
 * machine loses power there. Then HEAD leads to a commit, every commit that was acknowledged is
 * there, and each tree and each blob of them can be read. 100 lines of code.
 *
 * A commit is acknowledged when the `sync` behind it has returned.
 */

import { type Backend, configureSingle, fs, type InodeLike, sync } from '@zenfs/core';
import git from 'isomorphic-git';
// In a project of your own: from 'stillwarm'.
import {
  type Disk,
  files,
  type GuestCrashPoint,
  Machine,
  type MachineOptions,
  type StrategyName,
} from '../../src/index.ts';
import { GuestFS } from './backend.ts';

const DIR = '/repository';
const AUTHOR = { name: 'A. Guest', email: 'guest@example.org', timestamp: 1_150_000_000, timezoneOffset: 0 };
/** Commits that are acknowledged before the one that is crashed. */
const BEFORE = 2;

/**
 * The files of one process, which ends with its guest. ZenFS still writes then what it has not
 * written yet: that goes nowhere, and no other call of its reaches the next guest.
 */
class ProcessFS extends GuestFS {
  isOver = false;

  constructor(machine: Machine) {
    const sys = (): Machine['sys'] => {
      if (this.isOver) throw new Error('the process has ended');
      return machine.sys;
    };
    super({
      get sys() {
        return sys();
      },
    });
  }

  override touchSync(path: string, changes: Partial<InodeLike>): void {
    if (!this.isOver) super.touchSync(path, changes);
  }

  override writeSync(path: string, buffer: Uint8Array, offset: number): void {
    if (!this.isOver) super.writeSync(path, buffer, offset);
  }
}

const backendOf = (process: ProcessFS): Backend<ProcessFS> => ({
  name: 'Process',
  options: {},
  create: () => process,
});

export interface CommitCrash {
  /** How the machine is rebooted; `warm-cache+metadata` by default. */
  readonly strategy?: StrategyName;
  /** Share of the drive's cache that is kept in a loss of power; else the guest crashes. */
  readonly keep?: number;
  /** Whether the hypervisor crashes with the guest. */
  readonly hypervisor?: boolean;
  /** Looks at the disk before the next guest does, and returns the disk if it has changed it. */
  readonly inspect?: (disk: Disk) => Uint8Array | undefined;
  /** Boots the machine; `Machine.boot` by default. */
  readonly boot?: (options: MachineOptions) => Machine;
}

/** What the next guest finds. */
export interface CommitSurvival {
  /** Steps of the commit, up to its crash or its end. */
  readonly steps: number;
  /** Commits whose `sync` has returned, and commits to which HEAD leads. */
  readonly acknowledged: number;
  readonly found: number;
  /** What is wrong; empty when nothing is. */
  readonly problems: readonly string[];
}

/**
 * Makes commits, crashes the last one at a step or behind its end, reboots, and looks.
 * @throws what git or ZenFS throws for another reason than the crash
 */
export async function crashCommit(at: GuestCrashPoint, test: CommitCrash = {}): Promise<CommitSurvival> {
  const { strategy = 'warm-cache+metadata', keep, hypervisor = false, inspect } = test;
  const { boot = (its: MachineOptions) => Machine.boot(its) } = test;
  const disk = files({}, { size: 8 << 20, journalBlocks: 1024, inodeBytes: 256 });
  // The drive with a volatile cache.
  const machine = boot({ disk, memory: 10 << 20, strategy, drive: 'disk', steps: true });
  const process = new ProcessFS(machine);
  await configureSingle({ backend: backendOf(process) });
  await git.init({ fs, dir: DIR });
  for (let n = 0; n < BEFORE; n++) await commit(n);
  let acknowledged = BEFORE;
  const before = stepsOf(machine);
  machine.crashAt(at);
  try {
    await commit(BEFORE);
    acknowledged++;
    machine.crash();
  } catch (error) {
    if (machine.state !== 'crashed') throw error;
  }
  process.isOver = true;
  const steps = stepsOf(machine) - before;
  if (keep !== undefined) machine.losePower({ keep });
  if (hypervisor) inspect?.(machine.disk);
  machine.reboot(hypervisor ? { hypervisor: 'warm-vm' } : inspect && { betweenGuests: inspect });
  await configureSingle({ backend: backendOf(new ProcessFS(machine)) });
  const problems: string[] = [];
  const found = await readHistory(problems);
  if (found < acknowledged) problems.push(`${acknowledged} commits were acknowledged, ${found} are there`);
  const { mismatches } = machine.verify();
  if (mismatches > 0) problems.push(`${mismatches} cached pages differ from the disk`);
  return { steps, acknowledged, found, problems };
}

/** One commit of two files, acknowledged when this has returned. */
async function commit(n: number): Promise<void> {
  await fs.promises.writeFile(`${DIR}/file${n}`, `file ${n}\n`.repeat(500));
  await fs.promises.writeFile(`${DIR}/latest`, `${n}\n`);
  await git.add({ fs, dir: DIR, filepath: ['.'] });
  await git.commit({ fs, dir: DIR, message: `commit ${n}`, author: AUTHOR });
  await sync();
}

/** Reads each commit to which HEAD leads, with all that is in it. Returns how many these are. */
async function readHistory(problems: string[]): Promise<number> {
  try {
    // What is read is hashed: another object than the named one is an error.
    const log = await git.log({ fs, dir: DIR });
    for (const [age, { oid, commit }] of log.entries()) {
      const n = log.length - 1 - age;
      if (commit.message !== `commit ${n}\n`) problems.push(`commit ${n} says ${commit.message}`);
      const names = await git.listFiles({ fs, dir: DIR, ref: oid });
      const wanted = [...Array.from({ length: n + 1 }, (_, i) => `file${i}`), 'latest'];
      if (names.join() !== wanted.join()) problems.push(`commit ${n} has ${names.join()}`);
      for (const filepath of names) await git.readBlob({ fs, dir: DIR, oid, filepath });
    }
    return log.length;
  } catch (error) {
    problems.push(String(error));
    return 0;
  }
}

function stepsOf({ stats }: Machine): number {
  return Object.values(stats.steps!).reduce((sum, count) => sum + count, 0);
}
