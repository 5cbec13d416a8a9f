// What the model says that a crash cannot take, by the rules of ext2 and ext3.
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/doors/machine/index.ts';
import { ModelFs } from '../../../src/doors/testing/index.ts';

const BYTES = Uint8Array.of(1, 2, 3);

function withFile(...paths: string[]): ModelFs {
  const model = new ModelFs();
  for (const path of paths) {
    model.create(path, true);
    model.write(path, 0, BYTES);
  }
  return model;
}

/** Paths that are sure, files with the number of bytes that are. */
function sure(model: ModelFs): string[] {
  return model.sure().map((entry) => {
    if (entry.kind === 'directory') return `${entry.path}/`;
    return entry.kind === 'file' ? `${entry.path} ${entry.bytes?.length ?? 'any'}` : entry.path;
  });
}

function mayHold(model: ModelFs): string[] {
  const root = model.sure()[0]!;
  return root.kind === 'directory' ? [...root.mayHold].sort() : [];
}

describe('what is sure of a model', () => {
  it('nothing but the root is sure before sync, and everything after it', () => {
    const model = withFile('/a');
    model.mkdir('/d');
    model.symlink('a', '/s');
    expect(sure(model)).toEqual(['/']);
    model.sync();
    expect(sure(model)).toEqual(['/', '/a 3', '/d/', '/s']);
  });

  it('fsync of a new file saves its name with a journal, and does not without', () => {
    for (const hasJournal of [false, true]) {
      const model = withFile('/a');
      model.fsync('/a', hasJournal);
      expect(sure(model)).toEqual(hasJournal ? ['/', '/a 3'] : ['/']);
      // The name is synced later; the bytes are sure since.
      model.sync();
      model.write('/a', 3, BYTES);
      expect(sure(model)).toEqual(['/', '/a any']);
      model.fsync('/a', hasJournal);
      expect(sure(model)).toEqual(['/', '/a 6']);
    }
  });

  it('fsync with a journal saves the names that are older than that of the file, and no newer ones', () => {
    const model = new ModelFs();
    model.mkdir('/d');
    model.create('/d/a', true);
    model.create('/b', true);
    model.create('/c', true);
    model.fsync('/b', true);
    expect(sure(model)).toEqual(['/', '/d/', '/d/a any', '/b 0']);
    model.rename('/b', '/e');
    expect(sure(model)).toEqual(['/', '/d/', '/d/a any']);
    model.fsync('/e', true);
    expect(sure(model)).toEqual(['/', '/d/', '/d/a any', '/c any', '/e 0']);
  });

  it('fsync of a directory saves its names without a journal, but of use are those of what was saved', () => {
    const model = withFile('/a', '/b');
    model.mkdir('/d');
    model.symlink('a', '/s');
    model.fsync('/a', false);
    model.fsyncDirectory('/', false);
    expect(sure(model)).toEqual(['/', '/a 3']);
    model.fsync('/b', false);
    model.create('/d/c', true);
    model.fsync('/d/c', false);
    expect(sure(model)).toEqual(['/', '/a 3', '/b 3']);
    model.fsyncDirectory('/d', false);
    expect(sure(model)).toEqual(['/', '/a 3', '/b 3', '/d/', '/d/c 0']);
    model.rename('/a', '/d/e');
    model.fsyncDirectory('/d', false);
    // The old name may come back: its directory has not been saved since.
    expect(sure(model)).toEqual(['/', '/b 3', '/d/', '/d/c 0', '/d/e 3']);
    expect(mayHold(model)).toEqual(['a', 'b', 'd', 's']);
    model.fsyncDirectory('/', false);
    expect(mayHold(model)).toEqual(['b', 'd', 's']);
  });

  it('fsync of a directory with a journal saves the names that are older than its last change', () => {
    const model = withFile('/a');
    model.mkdir('/d');
    model.create('/d/b', true);
    model.create('/c', true);
    model.fsyncDirectory('/d', true);
    expect(sure(model)).toEqual(['/', '/a any', '/d/', '/d/b any']);
    expect(() => model.fsyncDirectory('/a', true)).toThrow('ENOTDIR');
  });

  it('a name that was removed and synced cannot come back; one that was only removed can', () => {
    const model = withFile('/a', '/b');
    model.sync();
    model.unlink('/a');
    expect(mayHold(model)).toEqual(['a', 'b']);
    expect(sure(model)).toEqual(['/', '/b 3']);
    model.sync();
    expect(mayHold(model)).toEqual(['b']);
  });

  it('what is below a directory that was moved is not sure until sync', () => {
    const model = new ModelFs();
    model.mkdir('/d');
    model.create('/d/a', true);
    model.sync();
    model.rename('/d', '/e');
    expect(sure(model)).toEqual(['/']);
    expect(mayHold(model)).toEqual(['d', 'e']);
    model.sync();
    expect(sure(model)).toEqual(['/', '/e/', '/e/a 0']);
  });

  it('a failure of the model is a ModelError with the errno of Linux', () => {
    const model = withFile('/a');
    expect(() => model.mkdir('/a')).toThrow(ModelError);
    expect(() => model.mkdir('/a')).toThrow('EEXIST');
    expect(() => model.read('/b')).toThrow('ENOENT');
    expect(() => model.read('/a/b')).toThrow('ENOTDIR');
    expect(() => model.rmdir('/')).toThrow('EBUSY');
  });
});
