/**
 * What must hold of a machine that came up again after a crash:
 *
 * 1. it comes up again;
 * 2. the books of its hypervisor agree (xen/toolstack/frame-books.ts);
 * 3. each page that its guest took over, or has cached, is what is on the disk;
 * 4. what the workload has saved is there;
 * 5. where a dead guest's dirty pages are written home (Rio), what each ended call did is there;
 * 6. everything can be read, and an inode has as many links as names;
 * 7. a file has no byte but zeros and what the workload has written at its place;
 * 8. no inode and no block is in use that belongs to no file;
 * 9. what one recovery has begun with, no other takes over.
 *
 * After a crash of ext2, e2fsck has to come first, and it has not: laws 6 to 8 do not hold there.
 * Where dirty pages are written home, law 6 holds on ext2, too, with one exception. A call that was
 * half done is half done on the disk then, and no journal undoes it. So laws 5 and 6 say nothing of
 * the paths that this call changes; e2fsck repairs them.
 */

import { InvariantViolation } from '../../base/assert.ts';
import { ModelError } from '../../base/errno.ts';
import { SECTORS_PER_PAGE } from '../../base/units.ts';
import { ERRNO, type Machine, type Process, type Syscalls } from '../../doors/machine/index.ts';
import { compareSure } from '../../doors/testing/guest-model.ts';
import type { SureEntry } from '../../doors/testing/model-fs.ts';
import { readEverything, readWhole } from '../../doors/testing/play-calls.ts';
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
  strange: 'a file shows nothing that another one held',
  lost: 'what is in use belongs to a file',
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
  /** What a journal keeps besides. Undefined: the file system may need e2fsck. */
  readonly journaled?:
    | {
        /** By path below `HOME`, what the file has held. */
        readonly held: ReadonlyMap<string, readonly Uint8Array[]>;
        /** What is in use and belongs to no file that has a name, as at first. */
        readonly nameless: Nameless;
      }
    | undefined;
}

/** What is in use in a file system, without the files that have names. */
export interface Nameless {
  readonly inodes: number;
  /** Blocks of 4096 bytes. */
  readonly blocks: number;
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
export function judge(machine: Machine, { sure, done, halfDone, journaled }: Expected): Judgement {
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
  if (journaled !== undefined) {
    must('strange', () => machine.run((sys) => strangeByte(sys, journaled.held)));
    must('lost', () => {
      const { inodes, blocks } = machine.run((sys) => namelessOf(sys, lines));
      const lost = [inodes - journaled.nameless.inodes, blocks - journaled.nameless.blocks] as const;
      return lost[0] === 0 && lost[1] === 0 ? undefined : `${lost[0]} inodes and ${lost[1]} blocks belong to no file`;
    });
  }
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

/** The first byte that is neither zero nor what the file has held there. */
function* strangeByte(sys: Syscalls, held: ReadonlyMap<string, readonly Uint8Array[]>): Process<string | undefined> {
  for (const [path, versions] of held) {
    let bytes: Uint8Array;
    try {
      bytes = yield* readWhole(sys, HOME + path);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      continue;
    }
    const at = bytes.findIndex((byte, n) => byte !== 0 && !versions.some((version) => version[n] === byte));
    if (at >= 0) return `${HOME}${path} has at byte ${at} what was never written there`;
  }
  return undefined;
}

/**
 * What is in use and belongs to no file that has a name.
 * @param lines as `readEverything` gives them
 */
export function* namelessOf(sys: Syscalls, lines: readonly string[]): Process<Nameless> {
  const { blocks, blocksFree, files, filesFree } = yield* sys.statfs('/');
  const sectors = new Map<number, number>();
  for (const path of ['/', ...lines.map((line) => line.slice(0, line.indexOf(' ')))]) {
    try {
      const stat = yield* sys.lstat(path);
      sectors.set(stat.ino, stat.sectors);
    } catch (error) {
      // That is another law.
      if (!(error instanceof ModelError)) throw error;
    }
  }
  const named = [...sectors.values()].reduce((sum, each) => sum + each, 0) / SECTORS_PER_PAGE;
  return { inodes: files - filesFree - sectors.size, blocks: blocks - blocksFree - named };
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
