/**
 * Dumps of the machine's memory: a raw image for `stillwarm inspect` and hex editors. Byte k of the
 * file is byte k of memory. Frames that were never written are holes of the file, if the host's
 * file system has holes.
 */

import { checkArgument, checkObject } from '../../base/argument-error.ts';
import { Buffer } from 'node:buffer';
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { askHost, counted, grouped, Mfn, PAGE_SIZE, UserError } from '../../base/index.ts';
import { openRegularFile } from '../../disk/image/file-image.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { foreignImage, HEAD_BYTES } from './image-kind.ts';
import { replaceFile } from './output-file.ts';
import { machineMemoryFor, MEMORY_MAX } from '../host/host.ts';

/** Frames moved at once: 1 MiB. It divides a bank of memory, so that a run never crosses two. */
const RUN_FRAMES = 256;
/** Memory of the largest machine, bytes. */
const MOST_BYTES = machineMemoryFor(MEMORY_MAX);

/**
 * Writes the memory to the file `path`, whole or not at all.
 * @throws UserError when the host refuses
 */
export function saveMemory(memory: MachineMemory, path: string): void {
  checkObject('memory', memory, 'frameCount');
  checkArgument(typeof path === 'string', 'path', 'expected a path');
  replaceFile(path, (partPath) => {
    const fd = openSync(partPath, 'wx');
    try {
      writeFrames(fd, memory);
      ftruncateSync(fd, memory.frameCount * PAGE_SIZE);
    } finally {
      closeSync(fd);
    }
  });
}

function writeFrames(fd: number, memory: MachineMemory): void {
  for (let first = 0; first < memory.frameCount; first += RUN_FRAMES) {
    const end = Math.min(first + RUN_FRAMES, memory.frameCount);
    for (let mfn = first; mfn < end; ) {
      const runStart = mfn;
      while (mfn < end && memory.isTouched(Mfn(mfn))) mfn++;
      if (mfn > runStart) writeFully(fd, memory.bytes(Mfn(runStart), mfn - runStart), runStart * PAGE_SIZE);
      else mfn++;
    }
  }
}

/** The host may write fewer bytes than it is given. */
function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/**
 * Reads a memory from the file `path`. Frames of zeros count as never written.
 * @throws UserError when the file cannot be read, is not a whole number of frames, or is larger
 * than any machine's memory
 */
export function loadMemory(path: string): MachineMemory {
  checkArgument(typeof path === 'string', 'path', 'expected a path');
  const { fd, size } = openRegularFile(path, `cannot read ${path}`);
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const foreign = foreignImage(
      path,
      head.subarray(
        0,
        askHost(`cannot read ${path}`, () => readSync(fd, head, 0, HEAD_BYTES, 0)),
      ),
    );
    if (foreign !== undefined) throw new UserError(`${path}: ${foreign}`);
    if (size === 0 || size % PAGE_SIZE !== 0)
      throw new UserError(`${path}: ${counted(size, 'byte')}, not a whole number of frames of ${PAGE_SIZE} bytes`);
    if (size > MOST_BYTES)
      throw new UserError(
        `${path}: ${grouped(size)} bytes are too many for a dump: a machine has at most ${grouped(MOST_BYTES)}`,
      );
    return readFrames(fd, path, size);
  } finally {
    closeSync(fd);
  }
}

function readFrames(fd: number, path: string, size: number): MachineMemory {
  const memory = new MachineMemory(size);
  const buffer = Buffer.alloc(RUN_FRAMES * PAGE_SIZE);
  const zeros = Buffer.alloc(PAGE_SIZE);
  for (let offset = 0; offset < size; offset += buffer.length) {
    const length = Math.min(buffer.length, size - offset);
    for (let done = 0; done < length; ) {
      const got = askHost(`cannot read ${path}`, () => readSync(fd, buffer, done, length - done, offset + done));
      if (got === 0) throw new UserError(`${path}: became shorter while it was read`);
      done += got;
    }
    for (let at = 0; at < length; at += PAGE_SIZE) {
      const isZero = buffer.compare(zeros, 0, PAGE_SIZE, at, at + PAGE_SIZE) === 0;
      if (!isZero) memory.copyIn(Mfn((offset + at) / PAGE_SIZE), 0, buffer, at, PAGE_SIZE);
    }
  }
  return memory;
}
