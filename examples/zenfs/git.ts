/**
 * A git repository in a guest: isomorphic-git works on `fs` of ZenFS, and ZenFS on the guest. After
 * each commit the guest crashes, or the machine loses power. The next guest reads the history
 * again. 40 lines of code.
 *
 * git does not wait for the disk, so `sync` does. Everything before it is on the medium then, and
 * with a journal (ext3) the file system is sound after the crash without a repair.
 */

import { configureSingle, fs, sync } from '@zenfs/core';
import git from 'isomorphic-git';
// In a project of your own: from 'stillwarm'.
import { files, Machine } from '../../src/index.ts';
import { Guest } from './backend.ts';

const DIR = '/repository';
const AUTHOR = { name: 'A. Guest', email: 'guest@example.org', timestamp: 1_150_000_000, timezoneOffset: 0 };

/** What happens after a commit. */
export type End = 'crash' | 'power loss' | 'reboot';

/** What the guest after a crash finds. */
export interface Found {
  /** Messages of the commits, the newest first. */
  readonly log: readonly string[];
  /** Files of the newest commit that are others in the working directory. */
  readonly changed: readonly string[];
  /** Pages kept for the next guest, and those that guests have taken over wrong. */
  readonly preserved: number;
  readonly wrong: number;
}

/** Makes a commit for each end, and yields what is there after it. */
export async function* commits(ends: readonly End[]): AsyncGenerator<Found, void, void> {
  const disk = files({}, { size: 16 << 20, journalBlocks: 1024, inodeBytes: 256 });
  const machine = Machine.boot({ disk, memory: 16 << 20 });
  await configureSingle({ backend: Guest, machine });
  await git.init({ fs, dir: DIR });
  for (const [number, end] of ends.entries()) {
    await fs.promises.writeFile(`${DIR}/file${number}`, `${end} ${number}\n`.repeat(1000));
    await fs.promises.writeFile(`${DIR}/latest`, `${number}\n`);
    await git.add({ fs, dir: DIR, filepath: ['.'] });
    await git.commit({ fs, dir: DIR, message: `commit ${number}`, author: AUTHOR });
    await sync();
    if (end === 'power loss') machine.losePower({ keep: 0 });
    const { preserved } = machine.reboot({ crash: end === 'crash' });
    const log = await git.log({ fs, dir: DIR });
    const wrong = machine.verify().mismatches;
    yield {
      log: log.map(({ commit }) => commit.message.trim()),
      changed: await changed(log[0]!.oid),
      preserved,
      wrong,
    };
  }
}

/** Files of a commit that are others in the working directory. */
async function changed(oid: string): Promise<string[]> {
  const found: string[] = [];
  for (const filepath of await git.listFiles({ fs, dir: DIR, ref: oid })) {
    const { blob } = await git.readBlob({ fs, dir: DIR, oid, filepath });
    if (!(await fs.promises.readFile(`${DIR}/${filepath}`)).equals(blob)) found.push(filepath);
  }
  return found;
}
