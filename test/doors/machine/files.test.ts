// The tree that `files` takes: what is no tree is refused, and a large one takes no time.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/input-error.ts';
import { ArgumentError, Disk, files, type FileTree, Machine } from '../../../src/doors/machine/index.ts';

const boot = (disk: Disk): Machine => Machine.boot({ disk, memory: 12 << 20, drive: 'instant' });

/** So many directories in each other. */
function nested(depth: number): FileTree {
  let tree: FileTree = { end: 'x' };
  for (let i = 0; i < depth; i++) tree = { d: tree };
  return tree;
}

describe('the tree of files of a disk', () => {
  it('files merges what keys with slashes and objects say of one directory', () => {
    const { sys } = boot(files({ 'a/b/c': '1', 'a/b/d': '22', a: { b: { e: '333' }, 'b/f': '4444' } }));
    expect(['c', 'd', 'e', 'f'].map((name) => sys.stat(`/a/b/${name}`).size)).toEqual([1, 2, 3, 4]);
  });

  it('files refuses with an ArgumentError what is no tree', () => {
    const itself: Record<string, unknown> = { a: 'x' };
    itself['self'] = itself;
    const wrong: [unknown, RegExp][] = [
      [new Map([['a', 'x']]), /^content: expected text/],
      [['x'], /^content: expected text/],
      [{ a: { b: new ArrayBuffer(4) } }, /^content\.a\.b: expected text/],
      [{ a: new Date(0) }, /^content\.a: expected text/],
      [{ a: ['x'] }, /^content\.a: expected text/],
      [{ a: new Uint16Array(2) }, /^content\.a: expected text/],
      [itself, /^content: holds itself/],
      [nested(10_000), /^content: holds itself, or more than 2000/],
      [{ ['d/'.repeat(10_000) + 'x']: '' }, /^content: more than 2000 directories/],
      [{ a: '1', '/a': '2' }, /^content: "\/a" occurs twice/],
      [{ a: '1', 'a/b': '2' }, /^content: "a" is both a file and a directory/],
      [{ 'a/b': '1', a: '2' }, /^content: "a" occurs twice/],
      [{ 'a/../b': '' }, /is no name/],
    ];
    for (const [content, message] of wrong) {
      expect(() => files(content as FileTree)).toThrow(ArgumentError);
      expect(() => files(content as FileTree)).toThrow(message);
    }
  });

  it('files refuses with an InputError a disk that would not fit into memory', () => {
    expect(() => files({}, { size: 2 ** 43 })).toThrow(InputError);
    expect(() => files({}, { size: 2 ** 40 + 2 ** 27 })).toThrow(/^size: \d+ bytes are more than an image in memory/);
  });

  it('a Disk refuses contents without a whole number of bytes, or that cannot be read', () => {
    const read = (): void => undefined;
    for (const size of [1.5, -1, NaN, '4096' as never])
      expect(() => new Disk({ size, read })).toThrow(/^contents.size:/);
    expect(() => new Disk({ size: 4096, read: 5 as never })).toThrow(/^contents.read:/);
  });

  it('files takes time that is proportional to the number of keys below one directory', () => {
    // Each is read once. Copying what is there at each key would read 4 million.
    let reads = 0;
    const keys = Array.from({ length: 2000 }, (_, i): [string, string] => [`d/${i}`, '']);
    const counted = new Proxy(Object.fromEntries(keys), {
      get: (of, key) => {
        reads++;
        return Reflect.get(of, key) as unknown;
      },
    });
    const machine = boot(files({ top: counted }));
    expect(machine.sys.readdir('/top/d')).toHaveLength(2002);
    expect(reads).toBeLessThan(3 * keys.length);
  });
});
