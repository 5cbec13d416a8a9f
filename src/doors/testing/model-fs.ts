/**
 * A plain file system in memory: directories, files, links, Linux's answers, and what of all that a
 * crash cannot take. It knows nothing of pages, blocks or time.
 *
 * What is sure after a crash:
 *   1. after `sync`, everything, until it is changed again;
 *   2. after `fsync` of a file, its bytes;
 *   3. after `fsync` of a directory, its names, and that others were removed. A name is of use when
 *      what it names was saved, too: by an `fsync` of its own, or by `sync`;
 *   4. after `fsync` with a journal, names that were changed before the file got its last one, or
 *      before the directory was changed. One transaction has both, or an earlier one has.
 *
 * So `fsync` of a new file saves its name on ext3, and does not on ext2: there `fsync` of the
 * directory follows. A name is only as sure as those of the directories on its way.
 *
 * Longer than other files: each call of a guest's program has its model here, on one tree.
 */

import { checkBytes, checkInteger, checkText } from '../../base/argument-error.ts';
import { type ErrnoName, ModelError } from '../../base/errno.ts';

/** Of each, `isStored`: its inode is on the medium, as it is or as it was. */
interface Directory {
  readonly kind: 'directory';
  readonly entries: Map<string, Node>;
  /** Names that are not sure: when each was changed last. */
  readonly unsure: Map<string, number>;
  /** When a name of it was changed last, or it was made. */
  changedAt: number;
  isStored: boolean;
}
interface File {
  readonly kind: 'file';
  bytes: Uint8Array;
  links: number;
  /** When it got its last name. */
  namedAt: number;
  /** Whether its bytes are sure. */
  isSaved: boolean;
  isStored: boolean;
}
interface Symlink {
  readonly kind: 'symlink';
  readonly text: string;
  links: number;
  namedAt: number;
  isStored: boolean;
}
type Node = Directory | File | Symlink;

/** Something of a ModelFs that a crash cannot take. */
export type SureEntry =
  | {
      /** Says that it is a directory. */
      readonly kind: 'directory';
      /** Where it is. */
      readonly path: string;
      /** No name besides these can be in it. */
      readonly mayHold: ReadonlySet<string>;
    }
  | {
      /** Says that it is a file. */
      readonly kind: 'file';
      /** Where it is. */
      readonly path: string;
      /** What it holds; undefined when only the name is sure. */
      readonly bytes: Uint8Array | undefined;
    }
  | {
      /** Says that it is a symbolic link. */
      readonly kind: 'symlink';
      /** Where it is. */
      readonly path: string;
      /** Where it leads. */
      readonly text: string;
    };

/** A file of a model. */
export interface ModelFile {
  /** Its path, from the root on. */
  readonly path: string;
  /** What it holds. */
  readonly bytes: Uint8Array;
}

/** What `stat` of a model tells. */
export interface ModelStat {
  /** What it is. */
  readonly kind: 'directory' | 'file' | 'symlink';
  /** Bytes. */
  readonly size: number;
  /** Names; of a directory, the links to its place, its own and its children's. */
  readonly links: number;
}

const MAX_SYMLINKS = 40;

function fail(code: ErrnoName, path = 'model'): never {
  throw new ModelError(code, path);
}

function newDirectory(isStored: boolean): Directory {
  return { kind: 'directory', entries: new Map(), unsure: new Map(), changedAt: 0, isStored };
}

/** Every call throws ModelError with the code that the guest answers. */
export class ModelFs {
  readonly #root = newDirectory(true);
  /** Changes of names so far. */
  #changes = 0;

  /**
   * Bytes of a file.
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, ELOOP; ArgumentError for a path that is no text
   */
  read(path: string): Uint8Array {
    return this.#file(path).bytes;
  }

  /**
   * Opens with O_CREAT: makes the file when there is none.
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, EEXIST, EBUSY, ELOOP; ArgumentError
   */
  create(path: string, exclusive: boolean): void {
    const { directory, name } = this.#parent(path);
    const node = directory.entries.get(name);
    if (node === undefined) {
      const namedAt = this.#touch(directory, name);
      const isSaved = { isSaved: false, isStored: false };
      directory.entries.set(name, { kind: 'file', bytes: new Uint8Array(0), links: 1, namedAt, ...isSaved });
    } else if (exclusive) fail('EEXIST');
    else if (node.kind === 'directory') fail('EISDIR');
    else if (node.kind === 'symlink') this.#createAtEnd(path);
  }

  /**
   * Writes at a place of a file that is there.
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, ELOOP; ArgumentError for a place below 0
   */
  write(path: string, at: number, data: Uint8Array): void {
    checkInteger('at', at);
    checkBytes('data', data);
    const file = this.#file(path);
    if (data.length === 0) return;
    file.isSaved = false;
    if (at + data.length > file.bytes.length) file.bytes = grown(file.bytes, at + data.length);
    file.bytes.set(data, at);
  }

  /**
   * Sets the size of a file.
   * @param size bytes
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, ELOOP; ArgumentError for a size below 0
   */
  truncate(path: string, size: number): void {
    checkInteger('size', size);
    const file = this.#file(path);
    file.isSaved = false;
    file.bytes = size < file.bytes.length ? file.bytes.slice(0, size) : grown(file.bytes, size);
  }

  /**
   * Makes a directory.
   * @throws ModelError ENOENT, ENOTDIR, EEXIST, EBUSY, ELOOP; ArgumentError
   */
  mkdir(path: string): void {
    const { directory, name } = this.#parent(path);
    if (directory.entries.has(name)) fail('EEXIST');
    const made = newDirectory(false);
    directory.entries.set(name, made);
    made.changedAt = this.#touch(directory, name);
  }

  /**
   * Takes an empty directory away.
   * @throws ModelError ENOENT, ENOTDIR, ENOTEMPTY, EBUSY, ELOOP; ArgumentError
   */
  rmdir(path: string): void {
    const { directory, name } = this.#parent(path);
    const node = directory.entries.get(name) ?? fail('ENOENT');
    if (node.kind !== 'directory') fail('ENOTDIR');
    if (node.entries.size > 0) fail('ENOTEMPTY');
    directory.entries.delete(name);
    this.#touch(directory, name);
  }

  /**
   * Takes a name of a file or link away.
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, EBUSY, ELOOP; ArgumentError
   */
  unlink(path: string): void {
    const { directory, name } = this.#parent(path);
    const node = directory.entries.get(name) ?? fail('ENOENT');
    if (node.kind === 'directory') fail('EISDIR');
    node.links--;
    directory.entries.delete(name);
    this.#touch(directory, name);
  }

  /**
   * A second name for a file.
   * @throws ModelError ENOENT, ENOTDIR, EEXIST, EPERM, EBUSY, ELOOP; ArgumentError
   */
  link(existing: string, path: string): void {
    checkText('existing', existing);
    const node = this.#walk(existing, false);
    const { directory, name } = this.#parent(path);
    if (directory.entries.has(name)) fail('EEXIST');
    if (node.kind === 'directory') fail('EPERM');
    node.links++;
    directory.entries.set(name, node);
    node.namedAt = this.#touch(directory, name);
  }

  /**
   * Makes a symbolic link that leads to `text`.
   * @throws ModelError ENOENT, ENOTDIR, EEXIST, EBUSY, ELOOP; ArgumentError
   */
  symlink(text: string, path: string): void {
    checkText('text', text);
    const { directory, name } = this.#parent(path);
    if (directory.entries.has(name)) fail('EEXIST');
    const namedAt = this.#touch(directory, name);
    directory.entries.set(name, { kind: 'symlink', text, links: 1, namedAt, isStored: false });
  }

  /**
   * Where a symbolic link leads.
   * @throws ModelError ENOENT, ENOTDIR, EINVAL, ELOOP; ArgumentError
   */
  readlink(path: string): string {
    const node = this.#walk(path, false);
    return node.kind === 'symlink' ? node.text : fail('EINVAL');
  }

  /**
   * Gives something another name, in place of what had it.
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL, EBUSY, ELOOP; ArgumentError
   */
  rename(from: string, to: string): void {
    const source = this.#parent(from, 'from');
    const target = this.#parent(to, 'to');
    const moved = source.directory.entries.get(source.name) ?? fail('ENOENT');
    if (moved.kind === 'directory' && holds(moved, target.directory)) fail('EINVAL');
    const replaced = target.directory.entries.get(target.name);
    if (replaced === moved) return;
    if (replaced !== undefined) {
      if (replaced.kind === 'directory' && holds(replaced, source.directory)) fail('ENOTEMPTY');
      if (moved.kind === 'directory') {
        if (replaced.kind !== 'directory') fail('ENOTDIR');
        if (replaced.entries.size > 0) fail('ENOTEMPTY');
      } else if (replaced.kind === 'directory') fail('EISDIR');
      else replaced.links--;
    }
    source.directory.entries.delete(source.name);
    target.directory.entries.set(target.name, moved);
    this.#touch(source.directory, source.name);
    const namedAt = this.#touch(target.directory, target.name);
    if (moved.kind !== 'directory') moved.namedAt = namedAt;
  }

  /** Everything is sure. */
  sync(): void {
    for (const node of nodesOf(this.#root)) {
      node.isStored = true;
      if (node.kind === 'directory') node.unsure.clear();
      else if (node.kind === 'file') node.isSaved = true;
    }
  }

  /**
   * The bytes of a file are sure.
   * @param hasJournal whether one transaction saves all names that are as old as the file's
   * @throws ModelError ENOENT, ENOTDIR, EISDIR, ELOOP; ArgumentError
   */
  fsync(path: string, hasJournal: boolean): void {
    const file = this.#file(path);
    file.isSaved = file.isStored = true;
    if (hasJournal) this.#committed(file.namedAt);
  }

  /**
   * The names of a directory are sure, and so are those that were removed.
   * @param hasJournal whether one transaction saves all names that are as old as its last change
   * @throws ModelError ENOENT, ENOTDIR, ELOOP
   */
  fsyncDirectory(path: string, hasJournal: boolean): void {
    const directory = this.#directory(path);
    directory.isStored = true;
    if (hasJournal) this.#committed(directory.changedAt);
    else directory.unsure.clear();
  }

  /** What a crash cannot take, a directory before what is in it. */
  sure(): SureEntry[] {
    return [...sureOf(this.#root, '')];
  }

  /**
   * Names in a directory, sorted.
   * @throws ModelError ENOENT, ENOTDIR, ELOOP; ArgumentError for a path that is no text
   */
  list(path: string): string[] {
    return [...this.#directory(path).entries.keys()].sort();
  }

  /**
   * As lstat: a symbolic link at the end is not followed.
   * @throws ModelError ENOENT, ENOTDIR, ELOOP; ArgumentError for a path that is no text
   */
  stat(path: string): ModelStat {
    const node = this.#walk(path, false);
    if (node.kind === 'directory') {
      const below = [...node.entries.values()].filter(({ kind }) => kind === 'directory').length;
      return { kind: node.kind, size: 4096, links: 2 + below };
    }
    const size = node.kind === 'file' ? node.bytes.length : node.text.length;
    return { kind: node.kind, size, links: node.links };
  }

  /** Every file by its paths. */
  files(): ModelFile[] {
    return [...filesOf(this.#root, '')];
  }

  /** An entry of a directory was made or removed. Returns when. */
  #touch(directory: Directory, name: string): number {
    directory.unsure.set(name, ++this.#changes);
    directory.changedAt = this.#changes;
    return this.#changes;
  }

  /** The journal has every change of names up to this one, with the inodes that they name. */
  #committed(last: number): void {
    for (const node of nodesOf(this.#root))
      if (node.kind === 'directory')
        for (const [name, at] of node.unsure)
          if (at <= last) {
            node.unsure.delete(name);
            const named = node.entries.get(name);
            if (named !== undefined) named.isStored = true;
          }
  }

  #createAtEnd(path: string): void {
    let at = path;
    for (let i = 0; i <= MAX_SYMLINKS; i++) {
      const { directory, name } = this.#parent(at);
      const node = directory.entries.get(name);
      if (node?.kind !== 'symlink') {
        this.create(at, false);
        return;
      }
      at = `${at.slice(0, at.lastIndexOf('/') + 1)}${node.text}`;
    }
    fail('ELOOP');
  }

  #directory(path: string): Directory {
    const node = this.#walk(path, true);
    return node.kind === 'directory' ? node : fail('ENOTDIR');
  }

  #file(path: string): File {
    const node = this.#walk(path, true);
    if (node.kind === 'directory') fail('EISDIR');
    return node as File;
  }

  #parent(path: string, argument = 'path'): { directory: Directory; name: string } {
    checkText(argument, path);
    const parts = path.split('/').filter((part) => part !== '');
    const name = parts.pop() ?? fail(path === '' ? 'ENOENT' : 'EBUSY', path);
    return { directory: this.#directory(parts.join('/')), name };
  }

  #walk(path: string, follow: boolean): Node {
    checkText('path', path);
    const trail: Directory[] = [this.#root];
    let rest = path.split('/').filter((part) => part !== '' && part !== '.');
    let at: Node = this.#root;
    let links = 0;
    while (rest.length > 0) {
      const [name, ...after] = rest as [string, ...string[]];
      rest = after;
      if (at.kind !== 'directory') fail('ENOTDIR');
      if (name === '..') {
        if (trail.length > 1) trail.pop();
        at = trail.at(-1)!;
        continue;
      }
      const next: Node = at.entries.get(name) ?? fail('ENOENT');
      if (next.kind === 'symlink' && (rest.length > 0 || follow)) {
        if (++links > MAX_SYMLINKS) fail('ELOOP');
        rest = [...next.text.split('/').filter((part) => part !== '' && part !== '.'), ...rest];
        continue;
      }
      if (next.kind === 'directory') trail.push(next);
      at = next;
    }
    return at;
  }
}

function* filesOf(directory: Directory, path: string): Generator<{ path: string; bytes: Uint8Array }> {
  for (const [name, node] of directory.entries) {
    if (node.kind === 'directory') yield* filesOf(node, `${path}/${name}`);
    else if (node.kind === 'file') yield { path: `${path}/${name}`, bytes: node.bytes };
  }
}

function* nodesOf(directory: Directory): Generator<Node> {
  yield directory;
  for (const node of directory.entries.values())
    if (node.kind === 'directory') yield* nodesOf(node);
    else yield node;
}

function* sureOf({ entries, unsure }: Directory, path: string): Generator<SureEntry> {
  yield { kind: 'directory', path, mayHold: new Set([...entries.keys(), ...unsure.keys()]) };
  for (const [name, node] of entries) {
    const at = `${path}/${name}`;
    if (unsure.has(name) || !node.isStored) continue;
    if (node.kind === 'directory') yield* sureOf(node, at);
    else if (node.kind === 'symlink') yield { kind: node.kind, path: at, text: node.text };
    else yield { kind: node.kind, path: at, bytes: node.isSaved ? node.bytes.slice() : undefined };
  }
}

function holds(directory: Directory, wanted: Directory): boolean {
  if (directory === wanted) return true;
  return [...directory.entries.values()].some((node) => node.kind === 'directory' && holds(node, wanted));
}

function grown(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes);
  return result;
}
