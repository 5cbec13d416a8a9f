/**
 * A disk of files that are made: so many of one size, in directories of 256. No page equals
 * another, so that a page in the place of another is found.
 */

import { PAGE_SIZE } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { withBootFiles } from '../../disk/mkfs/boot-files.ts';
import { mapExt2 } from '../../disk/mkfs/mkfs.ts';
import { planExt2 } from '../../disk/mkfs/plan.ts';
import { directory, file, tree, type FileContent } from '../../disk/mkfs/tree.ts';
import { RandomStreams } from '../../sim/index.ts';
import { listFiles, type DiskSource } from '../guest/disk-source.ts';
import { OracleExt2 } from '../judge/oracle-ext2.ts';
import type { MadeFiles } from './options.ts';

const FILES_OF_DIRECTORY = 256;

/** @param bootFiles whether it also has the files that a boot reads */
export function madeDisk(made: MadeFiles, bootFiles: boolean): DiskSource {
  const files = tree(rootOf(made));
  const image = mapExt2(planExt2(bootFiles ? withBootFiles(files) : files));
  return {
    ...listFiles(image),
    image,
    shared: undefined,
    notices: [],
    version: nameOf(made),
    copy: (): ImageStore => new OverlayImage(image),
    oracleOf: (medium) => new OracleExt2(medium),
    check: () => undefined,
    close: () => undefined,
  };
}

/** As the user writes it: 1000x65536. */
export const nameOf = ({ count, size }: MadeFiles): string => `${count}x${size}`;

function rootOf({ count, size }: MadeFiles): ReturnType<typeof directory> {
  const filler = Uint8Array.from({ length: PAGE_SIZE }, () => 0);
  const random = new RandomStreams(1).stream('files');
  for (let at = 0; at < PAGE_SIZE; at++) filler[at] = random.u32() & 255;
  const width = String(count - 1).length;
  const name = (kind: string, n: number): string => `${kind}${String(n).padStart(width, '0')}`;
  const entries = Array.from({ length: Math.ceil(count / FILES_OF_DIRECTORY) }, (_, n) => {
    const first = n * FILES_OF_DIRECTORY;
    const files = Array.from({ length: Math.min(FILES_OF_DIRECTORY, count - first) }, (_, k) => {
      const number = first + k;
      return [name('f', number), file(contentOf(filler, number, size))] as const;
    });
    return [name('d', n), directory(files)] as const;
  });
  return directory(entries);
}

/** Each page is the filler, with the numbers of file and page at its start. */
function contentOf(filler: Uint8Array, number: number, sizeBytes: number): FileContent {
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  return {
    sizeBytes,
    dataRuns: [0, Math.ceil(sizeBytes / PAGE_SIZE)],
    read: (offset, dst, dstOffset, length) => {
      for (let done = 0; done < length; ) {
        const inPage = (offset + done) % PAGE_SIZE;
        const bytes = Math.min(PAGE_SIZE - inPage, length - done);
        dst.set(filler.subarray(inPage, inPage + bytes), dstOffset + done);
        view.setUint32(0, number);
        view.setUint32(4, Math.floor((offset + done) / PAGE_SIZE));
        if (inPage < head.length) dst.set(head.subarray(inPage, inPage + bytes), dstOffset + done);
        done += bytes;
      }
    },
  };
}
