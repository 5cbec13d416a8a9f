/**
 * What the processes of a strace have open, and which file each path is. Descriptors that a call
 * duplicates, and those of a child, share one position, as in the kernel.
 */

import type { Emitter } from './emitter.ts';

/** A file under its present paths. */
export interface Inode {
  /** Its number among the files of the trace. */
  readonly file: number;
  /** Its size in bytes as far as the trace tells it: else what was seen of it. */
  size: number;
  /** Paths that lead to it. */
  links: number;
}

/** What a descriptor leads to, with its position. */
export interface OpenFile {
  /** Undefined: a directory, or nothing that a page cache holds. */
  inode: Inode | undefined;
  /** Its path, as far as it is known: that of a directory is looked up. */
  readonly path: string | undefined;
  /** The path behind the descriptor, as it was seen last. */
  seen: Uint8Array | undefined;
  position: number;
  isAppending: boolean;
  /** Opened with O_DIRECT: the page cache never sees it. */
  readonly isDirect: boolean;
}

interface Descriptor {
  readonly open: OpenFile;
  closesOnExec: boolean;
}

export class Process {
  files: Map<number, Descriptor>;
  directory: { path: string | undefined };

  constructor(files = new Map<number, Descriptor>(), directory: { path: string | undefined } = { path: undefined }) {
    this.files = files;
    this.directory = directory;
  }

  /** The process that a clone makes, which shares what it is told to share. */
  child(sharesFiles: boolean, sharesDirectory: boolean): Process {
    const copy = (): Map<number, Descriptor> => new Map([...this.files].map(([fd, each]) => [fd, { ...each }]));
    return new Process(
      sharesFiles ? this.files : copy(),
      sharesDirectory ? this.directory : { path: this.directory.path },
    );
  }

  open(fd: number, open: OpenFile, closesOnExec: boolean): void {
    this.files.set(fd, { open, closesOnExec });
  }

  /** A program begins in the process. */
  exec(): void {
    this.files = new Map(
      [...this.files].filter(([, { closesOnExec }]) => !closesOnExec).map(([fd, one]) => [fd, { ...one }]),
    );
  }
}

/** Paths whose files are the kernel's own, and on no disk. */
const NO_FILES = ['/proc/', '/sys/', '/dev/'] as const;

/** Files by path. */
export class Paths {
  readonly #emitter: Emitter;
  readonly #inodes = new Map<string, Inode>();
  /** Paths that were unlinked, and not made again. */
  readonly #gone = new Set<string>();

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  static isFile(path: string): boolean {
    return !NO_FILES.some((prefix) => path.startsWith(prefix));
  }

  find(path: string): Inode | undefined {
    return this.#inodes.get(path);
  }

  /** Whether the trace has shown that nothing is at the path. */
  isGone(path: string): boolean {
    return this.#gone.has(path);
  }

  /** The file at a path, which is made known when it is met first. */
  inode(path: string): Inode {
    const known = this.#inodes.get(path);
    if (known !== undefined) return known;
    const inode = { file: this.#emitter.file(path, false), size: 0, links: 1 };
    this.#put(path, inode);
    return inode;
  }

  link(from: string, to: string): void {
    const inode = this.inode(from);
    inode.links++;
    this.#put(to, inode);
  }

  /** Takes a path away. Returns its file when that was its last path; it may not be known. */
  unlink(path: string): Inode | undefined {
    const inode = this.#inodes.get(path);
    this.#inodes.delete(path);
    this.#gone.add(path);
    return inode !== undefined && --inode.links === 0 ? inode : undefined;
  }

  /** Moves a file, or a directory with all in it. Returns the file that it takes the place of. */
  rename(from: string, to: string): Inode | undefined {
    if (from === to) return undefined;
    const moved = this.#inodes.get(from);
    // Of an unknown file nothing is known but its new path.
    const inside = moved === undefined ? [...this.#inodes].filter(([path]) => path.startsWith(`${from}/`)) : [];
    for (const [path, inode] of inside) {
      this.#inodes.delete(path);
      this.#put(`${to}${path.slice(from.length)}`, inode);
    }
    const replaced = this.#inodes.has(to) && moved !== this.#inodes.get(to) ? this.unlink(to) : undefined;
    this.#inodes.delete(from);
    this.#gone.add(from);
    this.#gone.delete(to);
    if (moved !== undefined) this.#put(to, moved);
    return replaced;
  }

  exchange(one: string, other: string): void {
    const [first, second] = [this.inode(one), this.inode(other)];
    this.#put(one, second);
    this.#put(other, first);
  }

  #put(path: string, inode: Inode): void {
    this.#inodes.set(path, inode);
    this.#gone.delete(path);
  }
}

/** A path without empty steps, `.` and `..`; relative to a directory where that is known. */
export function resolved(directory: string | undefined, path: string): string {
  const whole = path.startsWith('/') || directory === undefined ? path : `${directory}/${path}`;
  if (!/\/\/|\/\.|^\.\.?(\/|$)|.\/$/.test(whole)) return whole;
  const steps: string[] = [];
  for (const step of whole.split('/')) {
    if (step === '' || step === '.') continue;
    const isUp = step === '..' && (whole.startsWith('/') || (steps.length > 0 && steps.at(-1) !== '..'));
    if (isUp) steps.pop();
    else steps.push(step);
  }
  return `${whole.startsWith('/') ? '/' : ''}${steps.join('/')}`;
}
