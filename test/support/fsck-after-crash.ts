// e2fsck, asked of a disk on which a guest has just died, before the next guest mounts it.
//
// - What a crash leaves of ext3 is sound once the log is replayed. e2fsck replays it and checks
//   nothing (-E journal_only). Then it finds nothing wrong (-fn).
// - What a crash leaves of ext2 may have errors. So may ext3 whose dirty pages were written home
//   past the log (Rio). One run of e2fsck -fy repairs all of them. Then it finds nothing wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Disk } from '../../src/index.ts';
import type { Judge } from './e2fsprogs.ts';
import { runProgram } from './shell.ts';

/** Exits as the first run of e2fsck has, unless the second finds something. */
const SCRIPT = 'path=$1; shift; "$0" "$@" "$path"; first=$?; "$0" -fn "$path" && exit $first; exit 8';

/** What e2fsck has looked at. */
export class CrashedDisks {
  /** Disks, and those on which there was something to repair. */
  looked = 0;
  repaired = 0;
  readonly #judge: Judge;
  readonly #path: string;

  constructor(judge: Judge) {
    this.#judge = judge;
    this.#path = `${judge.dir}/crashed.img`;
  }

  /**
   * Replays the log on a copy, and throws what e2fsck finds wrong then.
   * @returns the copy, as e2fsck has left it
   */
  replayed(disk: Disk): Uint8Array {
    this.#run(disk, '-y', '-E', 'journal_only');
    return readFileSync(this.#path);
  }

  /** Repairs a copy, which must take one run. Returns the copy. */
  repairedCopy(disk: Disk): Uint8Array {
    if (this.#run(disk, '-fy') === 1) this.repaired++;
    return readFileSync(this.#path);
  }

  /** Both runs are of one process: to start one takes longer than it runs. */
  #run(disk: Disk, ...args: readonly string[]): number {
    this.looked++;
    writeFileSync(this.#path, disk.read());
    const { status, stdout, stderr } = runProgram('sh', '-c', SCRIPT, this.#judge.e2fsck, this.#path, ...args);
    if (status !== 0 && status !== 1) throw new Error(`e2fsck ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return status;
  }
}
