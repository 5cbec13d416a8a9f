/** Commands of SCSI that read, write and flush: what block traces of virtual machines have. */

import { OPERATION } from './operations.ts';

const KINDS = new Int8Array(256).fill(-1);
for (const read of [0x08, 0x28, 0xa8, 0x88]) KINDS[read] = OPERATION.read;
for (const write of [0x0a, 0x2a, 0xaa, 0x8a]) KINDS[write] = OPERATION.write;
for (const flush of [0x35, 0x91]) KINDS[flush] = OPERATION.sync;

/** What a command does, as a number of OPERATION: read, write or sync; -1: anything else. */
export const scsiKind = (command: number): number => (command >= 0 && command < KINDS.length ? KINDS[command]! : -1);
