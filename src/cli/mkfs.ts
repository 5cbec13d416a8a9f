/**
 * `stillwarm mkfs`: an ext2 image from a directory of files. The image appears when it is complete,
 * or not at all, and an existing file is replaced only when that was asked for.
 */

import { resolve } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { counted, printable, UserError } from '../base/index.ts';
import { FileImage } from '../disk/image/file-image.ts';
import { HostListing } from '../disk/mkfs/host-tree.ts';
import { withBootFiles } from '../disk/mkfs/boot-files.ts';
import { writeExt2 } from '../disk/mkfs/mkfs.ts';
import { planExt2 } from '../disk/mkfs/plan.ts';
import { listFiles, noticesOf, type DiskFiles } from '../experiment/guest/disk-source.ts';
import { checkOutputs, kindOf, replaceFile } from '../experiment/guest/output-file.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import { writeNotices, type Io } from './kit/io.ts';
import { MKFS } from './options.ts';
import { withProgress } from './kit/progress.ts';

/** 16 MiB, what mke2fs gives a file system of 128 MiB to 1 GiB. */
const JOURNAL_BLOCKS = 4096;

/**
 * @returns the exit status 0
 * @throws UserError
 */
export function mkfs(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(MKFS, argv);
  if (options.help) {
    io.stdout.write(commandHelp(MKFS));
    return 0;
  }
  const [dir, imagePath] = positionals.map((path) => resolve(io.cwd, path)) as [string, string];
  if (kindOf(dir) !== 'directory') throw new UserError(`DIR: ${dir} is not a directory`);
  checkOutputs([{ name: 'DIR', path: dir }], [{ name: 'IMAGE', path: imagePath }], io.hostStreams);
  if (kindOf(imagePath) === 'file' && !options.force)
    throw new UserError(`IMAGE: ${imagePath} exists already; --force replaces it`);

  const journalBlocks = options.journal ? JOURNAL_BLOCKS : undefined;
  const { tree, plan, found } = withProgress(io.stderr, (onProgress) => {
    const listing = new HostListing(dir);
    // Each byte is read twice.
    const total = 2 * listing.bytes;
    const read = listing.read((done) => onProgress({ phase: 'reading the files', done, total }));
    const tree = options['boot-files'] ? withBootFiles(read) : read;
    const plan = planExt2(tree, { journalBlocks, inodeBytes: options['inode-bytes'] });
    let found: DiskFiles | undefined;
    replaceFile(imagePath, (partPath) => {
      const image = FileImage.create(partPath, plan.sizeBytes);
      try {
        const onWritten = (done: number): void =>
          onProgress({ phase: 'writing the image', done: Math.min(listing.bytes + done, total), total });
        writeExt2(plan, image, onWritten);
        found = listFiles(image);
      } finally {
        image.close();
      }
    });
    return { tree, plan, found: found! };
  });

  writeNotices(io, noticesOf(tree.leftOut, found));
  const { files, bytes } = found.all;
  io.stdout.write(
    `${printable(imagePath)}: ${journalBlocks === undefined ? 'ext2' : 'ext3'}, ${prettyBytes(plan.sizeBytes, { binary: true })}, ` +
      `${counted(files, 'file')} of ${prettyBytes(bytes)}` +
      (found.bootFiles.length === 0 ? '\n' : `, and ${counted(found.bootFiles.length, 'file')} for boots\n`),
  );
  return 0;
}
