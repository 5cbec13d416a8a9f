// A plain file system in memory: directories, files, links, and Linux's answers. It knows nothing
// of pages, blocks or time.

export type Code = string;

/** What a call of the model fails with: the name of an errno. */
export class ModelFsError extends Error {
  readonly code: Code;

  constructor(code: Code) {
    super(code);
    this.code = code;
  }
}

interface Directory {
  readonly kind: 'directory';
  readonly entries: Map<string, Node>;
}
interface File {
  readonly kind: 'file';
  bytes: Uint8Array;
  links: number;
}
interface Symlink {
  readonly kind: 'symlink';
  readonly text: string;
  links: number;
}
type Node = Directory | File | Symlink;

const MAX_SYMLINKS = 40;

function fail(code: Code): never {
  throw new ModelFsError(code);
}

export class ModelFs {
  readonly #root: Directory = { kind: 'directory', entries: new Map() };

  /** Bytes of a file. */
  read(path: string): Uint8Array {
    return this.#file(path).bytes;
  }

  /** Opens with O_CREAT: makes the file when there is none. */
  create(path: string, exclusive: boolean): void {
    const { directory, name } = this.#parent(path);
    const node = directory.entries.get(name);
    if (node === undefined) directory.entries.set(name, { kind: 'file', bytes: new Uint8Array(0), links: 1 });
    else if (exclusive) fail('EEXIST');
    else if (node.kind === 'directory') fail('EISDIR');
    else if (node.kind === 'symlink') this.#createAtEnd(path);
  }

  /** Writes at a place of a file that is there. */
  write(path: string, at: number, data: Uint8Array): void {
    const file = this.#file(path);
    if (data.length === 0) return;
    if (at + data.length > file.bytes.length) file.bytes = grown(file.bytes, at + data.length);
    file.bytes.set(data, at);
  }

  truncate(path: string, size: number): void {
    const file = this.#file(path);
    file.bytes = size < file.bytes.length ? file.bytes.slice(0, size) : grown(file.bytes, size);
  }

  mkdir(path: string): void {
    const { directory, name } = this.#parent(path);
    if (directory.entries.has(name)) fail('EEXIST');
    directory.entries.set(name, { kind: 'directory', entries: new Map() });
  }

  rmdir(path: string): void {
    const { directory, name } = this.#parent(path);
    const node = directory.entries.get(name) ?? fail('ENOENT');
    if (node.kind !== 'directory') fail('ENOTDIR');
    if (node.entries.size > 0) fail('ENOTEMPTY');
    directory.entries.delete(name);
  }

  unlink(path: string): void {
    const { directory, name } = this.#parent(path);
    const node = directory.entries.get(name) ?? fail('ENOENT');
    if (node.kind === 'directory') fail('EISDIR');
    node.links--;
    directory.entries.delete(name);
  }

  link(existing: string, path: string): void {
    const node = this.#walk(existing, false);
    const { directory, name } = this.#parent(path);
    if (directory.entries.has(name)) fail('EEXIST');
    if (node.kind === 'directory') fail('EPERM');
    node.links++;
    directory.entries.set(name, node);
  }

  symlink(text: string, path: string): void {
    const { directory, name } = this.#parent(path);
    if (directory.entries.has(name)) fail('EEXIST');
    directory.entries.set(name, { kind: 'symlink', text, links: 1 });
  }

  readlink(path: string): string {
    const node = this.#walk(path, false);
    return node.kind === 'symlink' ? node.text : fail('EINVAL');
  }

  rename(from: string, to: string): void {
    const source = this.#parent(from);
    const target = this.#parent(to);
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
  }

  list(path: string): string[] {
    const node = this.#walk(path, true);
    if (node.kind !== 'directory') fail('ENOTDIR');
    return [...node.entries.keys()].sort();
  }

  /**
   * Kind, size and links; the links of a directory are those to its place, its own and its
   * children's.
   */
  stat(path: string): { kind: Node['kind']; size: number; links: number } {
    const node = this.#walk(path, false);
    if (node.kind === 'directory') {
      const below = [...node.entries.values()].filter(({ kind }) => kind === 'directory').length;
      return { kind: node.kind, size: 4096, links: 2 + below };
    }
    const size = node.kind === 'file' ? node.bytes.length : node.text.length;
    return { kind: node.kind, size, links: node.links };
  }

  /** Every file by its paths. */
  *files(): Generator<{ path: string; bytes: Uint8Array }> {
    yield* filesOf(this.#root, '');
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

  #file(path: string): File {
    const node = this.#walk(path, true);
    if (node.kind === 'directory') fail('EISDIR');
    return node as File;
  }

  #parent(path: string): { directory: Directory; name: string } {
    const parts = path.split('/').filter((part) => part !== '');
    const name = parts.pop()!;
    const directory = this.#walk(parts.join('/'), true);
    if (directory.kind !== 'directory') fail('ENOTDIR');
    return { directory, name };
  }

  #walk(path: string, follow: boolean): Node {
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

function holds(directory: Directory, wanted: Directory): boolean {
  if (directory === wanted) return true;
  return [...directory.entries.values()].some((node) => node.kind === 'directory' && holds(node, wanted));
}

function grown(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes);
  return result;
}
