/**
 * What must hold of a machine that came up again after a crash:
 *
 * 1. it comes up again;
 * 2. the books of its hypervisor agree (xen/toolstack/frame-books.ts);
 * 3. each page that its guest took over, or has cached, is what is on the disk;
 * 4. what the workload has saved is there;
 * 5. where a dead guest's dirty pages are written home (Rio), what each ended call did is there;
 * 6. everything can be read, and an inode has as many links as names;
 * 7. what one recovery has begun with, no other takes over.
 *
 * After a crash of ext2, e2fsck has to come first, and it has not: law 6 does not hold there. Where
 * dirty pages are written home, it holds on ext2, too, with one exception. A call that was half
 * done is half done on the disk then, and no journal undoes it. So laws 5 and 6 say nothing of the
 * paths that this call changes; e2fsck repairs them.
 */

import { InvariantViolation } from '../../base/assert.ts';
import { ERRNO, type Machine } from '../../doors/machine/index.ts';
import { compareSure } from '../../doors/testing/guest-model.ts';
import type { SureEntry } from '../../doors/testing/model-fs.ts';
import { readEverything } from '../../doors/testing/play-calls.ts';
import { isBelow } from './course.ts';
import { HOME } from './workloads.ts';

/** The laws by name. */
export const LAWS = {
  boots: 'the machine comes up again',
  books: 'the books of the hypervisor agree',
  pages: 'a page that is taken over is what is on the disk',
  saved: 'what was saved is there',
  done: 'what a call did that has ended is there',
  files: 'the file system is whole',
  once: 'what one recovery has begun with, no other takes over',
} as const;

/** A law that does not hold, and what was found. */
export interface Broken {
  readonly law: string;
  readonly what: string;
}

/** What a crash must leave. */
export interface Expected {
  /** What the workload has saved. Undefined: nothing is known of it. */
  readonly sure: readonly SureEntry[] | undefined;
  /** What ended calls did. Undefined: it need not be there. */
  readonly done: readonly SureEntry[] | undefined;
  /** Below `HOME`, what may be half done. Undefined: the file system may need e2fsck. */
  readonly halfDone: readonly string[] | undefined;
}

/** What was found out of a machine. */
export interface Judgement {
  readonly broken: Broken[];
  /** Pages that its guests took over, and pages that were compared. */
  readonly reused: number;
  readonly compared: number;
}

/** The first line of what was thrown. */
export function lineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}

/**
 * Reads all there is on a machine that came up, and asks each law.
 */
export function judge(machine: Machine, { sure, done, halfDone }: Expected): Judgement {
  const broken: Broken[] = [];
  const must = (law: keyof typeof LAWS, holds: () => string | undefined): void => {
    try {
      const what = holds();
      if (what !== undefined) broken.push({ law: LAWS[law], what });
    } catch (error) {
      const isDefect = error instanceof InvariantViolation && law !== 'books';
      broken.push({ law: LAWS[isDefect ? 'boots' : law], what: lineOf(error) });
    }
  };
  let lines: readonly string[] = [];
  must('boots', () => {
    lines = machine.run((sys) => readEverything(sys));
    return undefined;
  });
  if (machine.state !== 'running') return { broken, reused: 0, compared: 0 };
  if (halfDone !== undefined) must('files', () => wrongLine(lines, halfDone));
  for (const [law, entries] of [['saved', sure] as const, ['done', done] as const])
    if (entries !== undefined)
      must(law, () => {
        machine.run((sys) => compareSure(sys, entries, HOME));
        return undefined;
      });
  must('books', () => {
    machine.room.toolstack.list.checkInvariants();
    return undefined;
  });
  const { mismatches, differences, reused, cached } = machine.verify();
  if (mismatches > 0) broken.push({ law: LAWS.pages, what: differences[0]?.what ?? `${mismatches} pages` });
  return { broken, reused, compared: reused + cached };
}

/**
 * The first answer of `readEverything` that no file system gives that is whole.
 * @param halfDone paths below `HOME` of which nothing is said, nor of other names of their inodes
 */
function wrongLine(lines: readonly string[], halfDone: readonly string[]): string | undefined {
  const passedOver = halfDone.map((path) => HOME + path);
  const names = new Map<string, { readonly path: string; readonly links: number; count: number }>();
  const openInodes = new Set<string>();
  for (const line of lines) {
    const [path = '', mode = '', , links = '', ino = ''] = line.split(' ');
    if (isBelow(path, passedOver)) {
      openInodes.add(ino);
      continue;
    }
    if (mode in ERRNO) return `${path} answers ${mode}`;
    // A directory has a link for each directory in it.
    if (mode.startsWith('4')) continue;
    const seen = names.get(ino) ?? { path, links: Number(links), count: 0 };
    seen.count++;
    names.set(ino, seen);
  }
  for (const [ino, { path, links, count }] of names)
    if (links !== count && !openInodes.has(ino)) return `${path} (inode ${ino}) has ${count} names and says ${links}`;
  return undefined;
}
