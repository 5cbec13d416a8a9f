// A trace is read from a file, a pipe or standard input, packed or not, and refused in one line.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { readTrace, type TraceFileOptions } from '../../../src/experiment/host/trace-file.ts';
import { TraceStatistics } from '../../../src/trace/index.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';

const text = Array.from({ length: 2000 }, (_, n) => `0,${8 * (n % 50)},4096,r,${n % 7}.5\n`).join('');
/** The same, by xz -9 and by zstd -19. */
const XZ = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4IJ3AbhdABgLHARoMzJTHe5PNoYHq2CpYPokv2ZNn+yD1+Oe+sVf8+i0qn7a37I2a6EEidG183L7Fb/eydXjwznixdwEBuZTiPYebYqzzmcD3JrRUo6wwl3yiuIUwnYsadLw6hyaw9qUdxpNZXUpfdbu38+TLRTzXt7kreLLHg7FdnpuoKB2TuzsPrtPrZ7yquzmAt1QtRaL9Htz4YCzwtu06evhYXFgrbeInGolPzAZ8meW20N1Z7SZZtKYi8c1N4iJj4BpbQwThhbUnLBF+/qCx6Vsi/Gpf8vYYLRaupkJgFSyKH6ogJEcgpvbZzhOsup1DslcuBH/ZaEpwJ4zheVIn1+77AMq7DEHqjBQp5mOR+ZMerUnBCCRgtG4jA4BgNrCfJOUy7Y0mXhQ4+oukrgvmWWTMnB17WEN03N2YHMJODoW0uuAMCzeGYnaJGjZgNNDVnj7nj0pDgXqKJY6z0AV3P+syXOMNCYLnZZRhnygbii8Y14bUAua4vafZ4fbp9exelcyVZLAJ+7vIpHwjJIExgURlJ0tiXmQhGGVR9qTWE4Wq/t4wj0pE+s2tKayVvSiZHFwpDnTFjbhOQMAAIO4Sdtrc1RhAAHUA/iEAgCiH4KascRn+wIAAAAABFla',
  'base64',
);
const ZSTD = Buffer.from(
  'KLUv/WR4gRUNAKbgOw/ApXD/fy+hlpuSSbse5w08ADYANAAVy9XqBwoCJZAC+nxQMGWyNPlRECVymIVdMOHTx5i9dwInjpu1D4IggQL/ccEhm63Jb0IEiIAyyAc5igJ6uJweLqeHyylPxGmYRXkiTjk9XE4Pl9PD5fRwOT1cTk/EaZhFsWx+gjjUQi+o8Opl1O5bgQEup4fL6eFyericHi6zKE/EaZhFecLl9HA5PVxOD5fTw+X0cLkoT8RpmEV5Ii6nh8vp4XIBD5fTw+X0cDk9XE4Pl9PDaZhFeSJOwyx6uJweLqeHy+nhcnq4nB5umEV5Ik7DLMrD5fQIgWWoIbDu+mehKynMsAYiCDAIRAhuFeDv//93oCu2taraFcwGpou8ltO5HSMAvQbEF4H7vetqvOZMVPVA+Apwr/Ve7Sj5C5U2BNcB3fPe1zoduxi0JtSaEOas+lu+RJ4cpiKVg9UM13xbowqc0sqp0CnrzzrZTr9bPvHUZYdw1BOH+Nwzjx3sUk8cBFynMqcdp/CmuE2xpjs90TLsTEnemvImvob8xPc1jLwxIeTjVwFDwT8u',
  'base64',
);

/** Reads a trace; gives its summary, and its pages. */
async function read(path: string, options: TraceFileOptions = {}) {
  const statistics = new TraceStatistics();
  const summary = await readTrace(path, options, statistics);
  return { ...summary, accesses: statistics.pageAccesses, distinct: statistics.distinctPages };
}

async function refusal(path: string, options: TraceFileOptions = {}): Promise<string> {
  try {
    await read(path, options);
  } catch (error) {
    if (!(error instanceof InputError) || error.message.includes('\n')) throw error;
    return error.message;
  }
  throw new Error('accepted');
}

const PACKED = [
  ['gzip', gzipSync(text)],
  ['xz', XZ],
  ['zstd', ZSTD],
] as const;

describe('a trace that is packed', () => {
  it.each(PACKED)('a trace packed by %s is read like the one that is not', async (packer, bytes) => {
    await inTemporaryDirectory(async (dir) => {
      const [plain, packed, twice] = ['plain', 'packed', 'twice'].map((name) => join(dir, name)) as [
        string,
        string,
        string,
      ];
      writeFileSync(plain, text);
      writeFileSync(packed, bytes);
      writeFileSync(twice, Buffer.concat([bytes, bytes]));
      const expected = { ...(await read(plain)), packer };
      expect(expected).toMatchObject({ format: 'spc', lines: 2000, accesses: 2000, distinct: 50, bytes: text.length });
      expect(await read(packed)).toEqual(expected);
      // Several streams, one behind the other, are one file.
      expect(await read(twice)).toMatchObject({ lines: 4000, distinct: 50 });
    });
  });

  it.each(PACKED)('a trace packed by %s that is cut off is refused in a line', async (packer, bytes) => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'trace');
      for (const length of [8, 20, Math.floor(bytes.length / 2), bytes.length - 1]) {
        writeFileSync(path, bytes.subarray(0, length));
        expect(await refusal(path)).toContain(`${path}: it is packed by ${packer}, and damaged or cut off: `);
      }
    });
  });

  it.each(PACKED)('a trace packed by %s with a damaged byte is refused in a line, or read', async (packer, bytes) => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'trace');
      let refused = 0;
      for (let at = 6; at < bytes.length; at += 7) {
        const damaged = Uint8Array.from(bytes);
        damaged[at]! ^= 0x10;
        writeFileSync(path, damaged);
        const said = await read(path).then(
          () => '',
          (error: unknown) => (error instanceof InputError ? error.message : `no refusal: ${String(error)}`),
        );
        if (said !== '') refused++;
        expect(said).toMatch(/^(|[^\n]*(packed by (gzip|xz|zstd)|not understood|no format|empty|fit several)[^\n]*)$/);
      }
      // Fields of the header of gzip decide nothing. fzstd does not read the checksums of zstd.
      expect(refused).toBeGreaterThan(packer === 'zstd' ? 3 : 10);
    });
  });

  it('a frame of zstd that needs more than 128 MiB is refused before that is taken', async () => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'trace');
      // No single segment, and a window of 2^31 bytes.
      writeFileSync(path, Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0, 0, 0, 0, 0));
      expect(await refusal(path)).toBe(
        `${path}: it is packed by zstd with a window of more than 128 MiB: unpack it first: zstd -dc --long=31`,
      );
    });
  });
});

describe('where a trace is read from', () => {
  it('an empty file, a directory and a file that is not there are refused in a line', async () => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'trace');
      expect(await refusal(path)).toBe(`${path}: no such file`);
      mkdirSync(path);
      expect(await refusal(path)).toBe(`${path}: is a directory`);
      const empty = join(dir, 'empty');
      writeFileSync(empty, '');
      expect(await refusal(empty)).toBe(`${empty}: it is empty`);
      writeFileSync(empty, gzipSync(''));
      expect(await refusal(empty)).toBe(`${empty}: it is empty`);
    });
  });

  it('standard input and a pipe are read as a file is', async () => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'trace');
      writeFileSync(path, gzipSync(text));
      const fd = openSync(path, 'r');
      try {
        expect(await read('-', { stdin: fd })).toMatchObject({ format: 'spc', lines: 2000, packer: 'gzip' });
      } finally {
        closeSync(fd);
      }
      const pipe = join(dir, 'pipe');
      execFileSync('mkfifo', [pipe]);
      // Another process writes: opening a pipe waits for the other end.
      const writer = spawn('sh', ['-c', `cat ${path} > ${pipe}`]);
      expect(await read(pipe)).toMatchObject({ format: 'spc', lines: 2000, packer: 'gzip' });
      writer.kill();
    });
  });

  it('reading ends when no more operations are wanted, and tells how far it has come', async () => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'trace');
      writeFileSync(path, text.repeat(100));
      const told: [number, number][] = [];
      const summary = await read(path, {
        hasEnough: () => true,
        onProgress: (done, total) => told.push([done, total]),
      });
      expect(summary.bytes).toBeLessThan(text.length * 50);
      expect(told[0]).toEqual([0, text.length * 100]);
    });
  });

  it('a list beside a trace of calls names its files, and a damaged one is refused by its own name', async () => {
    await inTemporaryDirectory(async (dir) => {
      const path = join(dir, 'a.csv.gz');
      writeFileSync(path, gzipSync('t_us,tid,ev,ino,a,b,c\n1,7,r,5,0,10,1\n2,7,w,6,0,10,\n'));
      const list = join(dir, 'a.files.csv');
      writeFileSync(list, 'ino,bytes,path\n5,100,a, b\n6,200,c\n');
      const files: unknown[] = [];
      await readTrace(path, {}, { file: (file) => void files.push(file), operations: () => undefined });
      // The size of a file that is written is that at the end, and so not told.
      expect(files).toEqual([
        { name: 'a, b', isDevice: false, size: 100 },
        { name: 'c', isDevice: false, size: undefined },
      ]);
      writeFileSync(list, 'ino,bytes,path\n5;100\n');
      expect(await refusal(path)).toBe(`${list}: line 2 is not ino,bytes,path`);
    });
  });
});
