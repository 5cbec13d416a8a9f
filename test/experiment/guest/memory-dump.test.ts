import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counted, grouped, Mfn, InputError, PAGE_SIZE, UserError } from '../../../src/base/index.ts';
import { loadMemory, saveMemory } from '../../../src/experiment/guest/memory-dump.ts';
import { replaceFile } from '../../../src/experiment/guest/output-file.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { run } from '../../support/e2fsprogs.ts';
import { property } from '../../support/property.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-dump-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('a memory dump', () => {
  property(
    'a memory dump is byte k of memory at byte k of the file, and is read back as the same memory',
    fc.integer({ min: 1, max: 700 }),
    fc.array(
      fc.record({ place: fc.nat(), offset: fc.nat({ max: PAGE_SIZE - 1 }), value: fc.integer({ min: 1, max: 255 }) }),
    ),
    (frames, writes) => {
      const memory = new MachineMemory(frames * PAGE_SIZE);
      const model = Buffer.alloc(frames * PAGE_SIZE);
      for (const { place, offset, value } of writes) {
        memory.writeU8(Mfn(place % frames), offset, value);
        model[(place % frames) * PAGE_SIZE + offset] = value;
      }
      const path = join(dir, 'memory.img');
      saveMemory(memory, path);
      if (Buffer.compare(readFileSync(path), model) !== 0) throw new Error('the file is not the memory');
      const loaded = loadMemory(path);
      if (loaded.frameCount !== frames) throw new Error(`${loaded.frameCount} frames`);
      for (let mfn = 0; mfn < frames; mfn++) {
        const expected = model.subarray(mfn * PAGE_SIZE, (mfn + 1) * PAGE_SIZE);
        if (Buffer.compare(loaded.frame(Mfn(mfn)), expected) !== 0) throw new Error(`frame ${mfn} differs`);
        if (loaded.isTouched(Mfn(mfn)) !== expected.some((byte) => byte !== 0)) throw new Error(`frame ${mfn} touched`);
      }
      if (readdirSync(dir).length !== 1) throw new Error('something else was left behind');
    },
    { numRuns: 12, lawRuns: 25 },
  );

  it('a memory dump has holes where memory was never written', () => {
    const memory = new MachineMemory(256 << 20);
    memory.writeU8(Mfn(65_535), 4095, 1);
    const path = join(dir, 'sparse.img');
    saveMemory(memory, path);
    const { size, blocks } = statSync(path);
    expect(size).toBe(256 << 20);
    expect(blocks * 512).toBeLessThan(1 << 20);
    rmSync(path);
  });

  it.each([0, 1, PAGE_SIZE - 1, PAGE_SIZE + 1])(
    'a memory dump of %i bytes is refused in one line that names the file',
    (size) => {
      const path = join(dir, 'torn.img');
      writeFileSync(path, '');
      truncateSync(path, size);
      expect(() => loadMemory(path)).toThrow(
        new UserError(`${path}: ${counted(size, 'byte')}, not a whole number of frames of 4096 bytes`),
      );
      rmSync(path);
    },
  );

  it('a memory dump that is missing, or a directory, is refused in one line', () => {
    expect(() => loadMemory(join(dir, 'nowhere'))).toThrow(
      new InputError(`cannot read ${join(dir, 'nowhere')}: no such file`),
    );
    expect(() => loadMemory(dir)).toThrow(new InputError(`cannot read ${dir}: is a directory`));
  });

  it('a memory dump larger than any machine is refused before it is read, and so is what is no file', () => {
    const path = join(dir, 'huge.img');
    // 64 GiB of a guest, 2 % more, and 16 MiB.
    const most = Math.ceil(65_536 * 1.02) * 2 ** 20 + 16 * 2 ** 20;
    writeFileSync(path, '');
    truncateSync(path, most + PAGE_SIZE);
    expect(() => loadMemory(path)).toThrow(
      new UserError(
        `${path}: ${grouped(most + PAGE_SIZE)} bytes are too many for a dump: a machine has at most ${grouped(most)}`,
      ),
    );
    truncateSync(path, 2 ** 40);
    expect(() => loadMemory(path)).toThrow(/: 1,099,511,627,776 bytes are too many for a dump/);
    rmSync(path);
    run('mkfifo', path);
    expect(() => loadMemory(path)).toThrow(new InputError(`cannot read ${path}: not a regular file`));
    rmSync(path);
    expect(() => loadMemory('/dev/zero')).toThrow(new InputError('cannot read /dev/zero: not a regular file'));
  });

  it('a memory dump cannot be written where there is no directory', () => {
    const path = join(dir, 'nowhere', 'memory.img');
    expect(() => saveMemory(new MachineMemory(PAGE_SIZE), path)).toThrow(
      new InputError(`cannot write ${path}: no such file`),
    );
  });
});

describe('replaceFile', () => {
  it('replaceFile leaves the old file and nothing else when the writing fails', () => {
    const path = join(dir, 'old');
    writeFileSync(path, 'old');
    const failing = (): void =>
      replaceFile(path, (partPath) => {
        writeFileSync(partPath, 'half');
        throw new RangeError('stop');
      });
    expect(failing).toThrow(RangeError);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(dir).filter((name) => name.includes('.part'))).toEqual([]);
    replaceFile(path, (partPath) => writeFileSync(partPath, 'new'));
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(dir).filter((name) => name.includes('.part'))).toEqual([]);
    rmSync(path);
  });
});
