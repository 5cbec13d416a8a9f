// The door of the host: directories and image files as disks, and disks as files.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { directory, imageFile, save } from '../../../src/doors/node/index.ts';
import { ArgumentError, type Disk, files, InputError, Machine } from '../../../src/index.ts';
import { itWithE2fsprogs, mustBeSound } from '../../support/e2fsprogs.ts';

const root = mkdtempSync(join(tmpdir(), 'stillwarm-node-'));
afterAll(() => {
  rmSync(root, { recursive: true });
});
const at = (name: string): string => join(root, name);

const textOn = (disk: Disk, path: string): string => {
  const { sys } = Machine.boot({ disk, memory: 16 << 20, drive: 'instant' });
  const bytes = new Uint8Array(sys.stat(path).size);
  const fd = sys.open(path);
  for (let done = 0; done < bytes.length; ) done += sys.read(fd, bytes, done, bytes.length - done);
  return new TextDecoder().decode(bytes);
};

describe('the door stillwarm/node', () => {
  it('a directory is a disk with its files, and stays as it was', () => {
    mkdirSync(at('tree/sub'), { recursive: true });
    writeFileSync(at('tree/a'), 'text of a');
    writeFileSync(at('tree/.hidden'), 'hidden');
    writeFileSync(at('tree/sub/b'), 'b'.repeat(10_000));
    symlinkSync('sub/b', at('tree/link'));
    const disk = directory(at('tree'));
    expect([textOn(disk, '/a'), textOn(disk, '/.hidden'), textOn(disk, '/link')]).toEqual([
      'text of a',
      'hidden',
      'b'.repeat(10_000),
    ]);
    expect(() => textOn(directory(at('tree'), { withoutHidden: true }), '/.hidden')).toThrow('ENOENT');
    const some = directory(at('tree'), { limit: 9 + 6 });
    expect(textOn(some, '/a')).toBe('text of a');
    expect(() => textOn(some, '/sub/b')).toThrow('ENOENT');
    const machine = Machine.boot({ disk, memory: 16 << 20 });
    machine.sys.unlink('/a');
    machine.sys.sync();
    expect(readFileSync(at('tree/a'), 'utf8')).toBe('text of a');
  });

  it('a disk that is saved is an image file, with what the machine wrote', () => {
    const machine = Machine.boot({ disk: files({ a: 'a' }), memory: 16 << 20, drive: 'instant' });
    machine.sys.rename('/a', '/b');
    machine.sys.sync();
    save(machine.disk, at('saved.img'));
    expect(textOn(imageFile(at('saved.img')), '/b')).toBe('a');
    expect(readFileSync(at('saved.img')).equals(machine.disk.read())).toBe(true);
    save(files({ c: 'c' }), at('saved.img'));
    expect(textOn(imageFile(at('saved.img')), '/c')).toBe('c');
  });

  itWithE2fsprogs('a disk that is saved after a sync and a loss of power is sound to e2fsck', (judge) => {
    const machine = Machine.boot({ disk: files({ a: 'a' }), memory: 16 << 20 });
    machine.sys.mkdir('/d');
    machine.sys.sync();
    machine.losePower({ keep: 0 });
    save(machine.disk, at('judged.img'));
    mustBeSound(judge, at('judged.img'));
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a directory that is not there', () => directory(at('absent')), /absent: no such file/],
    ['a file as a directory', () => directory(at('saved.img')), /it is a file: call imageFile/],
    ['a directory as a file', () => imageFile(at('tree')), /it is a directory: call directory/],
    ['an image of a few bytes', () => imageFile(at('tree/a')), /too few for an ext2 image/],
    ['a place that is a directory', () => save(files({}), at('tree')), /it is a directory/],
    ['a place below a file', () => save(files({}), at('tree/a/b')), /tree\/a\/b/],
  ])('an InputError of one line names what cannot be: %s', (_, act, message) => {
    expect(act).toThrow(InputError);
    expect(act).toThrow(message);
    expect(readdirSync(root).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['path: ', () => directory('')],
    ['path: ', () => imageFile(undefined as never)],
    ['path: ', () => save(files({}), 7 as never)],
    ['path: ', () => directory('a\0b')],
    ['path: ', () => imageFile('a\0b')],
    ['path: ', () => save(files({}), 'a\0b')],
    ['disk: ', () => save({} as never, at('x'))],
    ['limit: ', () => directory(root, { limit: 0 })],
    ['withoutHidden: ', () => directory(root, { withoutHidden: 1 as never })],
  ])('an ArgumentError names the argument: %s', (name, act) => {
    expect(act).toThrow(ArgumentError);
    expect(act).toThrow(new RegExp(`^${name}`));
  });

  it('a file that may not be read is left out of a directory', () => {
    mkdirSync(at('closed'));
    writeFileSync(at('closed/yes'), 'yes');
    writeFileSync(at('closed/no'), 'no');
    chmodSync(at('closed/no'), 0);
    expect(existsSync(at('closed/no'))).toBe(true);
    expect(textOn(directory(at('closed')), '/yes')).toBe('yes');
  });
});
