// The program on images that it makes ready, as the process of a user meets it.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { BuiltCli } from '../../support/built-cli.ts';
import { itWithE2fsprogs, mke2fs } from '../../support/e2fsprogs.ts';

let cli: BuiltCli;
beforeAll(() => {
  cli = new BuiltCli();
});
afterAll(() => cli.remove());

const REBOOT = 'reboot --memory 16MiB --disk instant --strategy cold,warm-cache --json';

describe('a command on an image that is made ready', () => {
  itWithE2fsprogs(
    'a command on ext4 reads its files on any number of threads, and leaves nothing',
    ({ dir, mke2fs: program }) => {
      mkdirSync(`${dir}/files`);
      mkdirSync(`${dir}/temporary`);
      for (const [name, length] of Object.entries({ one: 20_000, two: 9_000 }))
        writeFileSync(`${dir}/files/${name}`, Buffer.alloc(length, name));
      mke2fs({ mke2fs: program }, '-t', 'ext4', '-d', `${dir}/files`, `${dir}/disk.img`, '4m');
      const ran = ['--jobs 1', '--jobs 2'].map((jobs) =>
        cli.bash(dir, `gzip -kf disk.img && TMPDIR=$PWD/temporary stillwarm ${REBOOT} ${jobs} disk.img.gz`),
      );
      for (const { status, out, err } of ran) {
        expect({ status, err }).toEqual({
          status: 0,
          err: expect.stringMatching(
            /disk\.img\.gz: packed by gzip, and unpacked to 4,194,304 bytes\n.*: ext4 with blocks of 1024 bytes: its files were copied into an image of ours: the layout is ours, not its own\n$/,
          ) as string,
        });
        expect(JSON.parse(out)).toMatchObject({ files: 2, bytes: 29_000 });
        expect(out).toBe(ran[0]!.out);
      }
      expect(readdirSync(`${dir}/temporary`)).toEqual([]);
    },
  );

  itWithE2fsprogs(
    'a command on ext4 without the package that reads it says what to install',
    ({ dir, mke2fs: program }) => {
      mke2fs({ mke2fs: program }, '-t', 'ext4', `${dir}/disk.img`, '4m');
      mkdirSync(join(dir, 'lonely/dist/cli'), { recursive: true });
      copyFileSync(cli.main, join(dir, 'lonely/dist/cli/main.mjs'));
      copyFileSync(join(cli.dir, 'package.json'), join(dir, 'lonely/package.json'));
      const { status, err } = cli.bash(dir, `${process.execPath} lonely/dist/cli/main.mjs ${REBOOT} disk.img`);
      expect({ status, err: err.replace(dir, 'DIR') }).toEqual({
        status: 2,
        err: 'stillwarm: DIR/disk.img: reading such an image needs a package beside stillwarm: npm install ext2fs@4.2.5\n',
      });
      rmSync(join(dir, 'lonely'), { recursive: true });
    },
  );
});
