import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import { InputError } from '../../../src/base/input-error.ts';
import { FileImage } from '../../../src/disk/image/file-image.ts';
import { inTemporaryDirectory, run } from '../../support/e2fsprogs.ts';
import { property } from '../../support/property.ts';

const SIZE = 6 * 4096 + 100;
const ORIGINAL = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 255));

const step = fc
  .record({ write: fc.boolean(), offset: fc.nat(SIZE), length: fc.nat(10000), byte: fc.nat(255) })
  .map((given) => ({ ...given, length: Math.min(given.length, SIZE - given.offset) }));

describe('FileImage', () => {
  property(
    'FileImage reads what was written last, and the file elsewhere; the file changes only when written through',
    fc.array(step, { maxLength: 20 }),
    fc.boolean(),
    (steps, writeThrough) => {
      inTemporaryDirectory((dir) => {
        const path = join(dir, 'image');
        writeFileSync(path, ORIGINAL);
        const image = FileImage.open(path, { writeThrough });
        const model = Buffer.from(ORIGINAL);
        for (const { write, offset, length, byte } of steps) {
          const bytes = Buffer.alloc(length + 2, byte);
          if (write) {
            image.write(offset, bytes, 1, length);
            model.fill(byte, offset, offset + length);
          }
          image.read(offset, bytes, 2, length);
          expect(bytes.subarray(2).equals(model.subarray(offset, offset + length))).toBe(true);
        }
        const all = Buffer.alloc(SIZE);
        image.read(0, all, 0, SIZE);
        image.close();
        expect(all.equals(model)).toBe(true);
        expect(readFileSync(path).equals(writeThrough ? model : ORIGINAL)).toBe(true);
      });
    },
  );

  it('FileImage makes a new file of zeros, and does not overwrite one', () => {
    inTemporaryDirectory((dir) => {
      const path = join(dir, 'new');
      const image = FileImage.create(path, 5000);
      image.write(4999, Uint8Array.of(9), 0, 1);
      image.close();
      expect(readFileSync(path)).toEqual(Buffer.concat([Buffer.alloc(4999), Buffer.of(9)]));
      expect(() => FileImage.create(path, 1)).toThrow(new InputError(`${path}: exists already`));
    });
  });

  it('FileImage says in one line why a file is no image', () => {
    inTemporaryDirectory((dir) => {
      expect(() => FileImage.open(join(dir, 'none'))).toThrow(new InputError(`${join(dir, 'none')}: no such file`));
      expect(() => FileImage.open(dir)).toThrow(new InputError(`${dir}: is a directory`));
      const pipe = join(dir, 'pipe');
      run('mkfifo', pipe);
      expect(() => FileImage.open(pipe)).toThrow(new InputError(`${pipe}: not a regular file`));
    });
  });

  it('FileImage reports a file that became shorter', () => {
    inTemporaryDirectory((dir) => {
      const path = join(dir, 'image');
      writeFileSync(path, ORIGINAL);
      const image = FileImage.open(path);
      truncateSync(path, 4096);
      const expected = new InputError(`${path}: became shorter while it was in use`);
      expect(() => image.read(4000, Buffer.alloc(200), 0, 200)).toThrow(expected);
      image.close();
    });
  });

  it('FileImage is not used after close, nor outside its size', () => {
    inTemporaryDirectory((dir) => {
      const path = join(dir, 'image');
      writeFileSync(path, ORIGINAL);
      const image = FileImage.open(path);
      expect(() => image.read(SIZE, Buffer.alloc(1), 0, 1)).toThrow(ArgumentError);
      expect(() => image.write(-1, Buffer.alloc(1), 0, 1)).toThrow(ArgumentError);
      image.close();
      expect(() => image.read(0, Buffer.alloc(1), 0, 1)).toThrow(ArgumentError);
      expect(() => image.close()).toThrow(ArgumentError);
    });
  });
});
