/**
 * What a job file of fio means on a disk: the clones of its jobs, and their files. Some
 * files have to be laid out first.
 */

import { InputError } from '../../base/input-error.ts';
import { counted } from '../../base/counted.ts';
import { printable } from '../../base/printable.ts';
import { bufferOf, directionsOf, filesOf, type FioJob } from '../../workload/fio-job.ts';
import type { FioFile } from '../../workload/fio.ts';
import { unitOf } from '../../workload/fio-plan.ts';
import type { OracleFile } from '../judge/oracle-ext2.ts';

/** Bytes that files of jobs may have together, where they are not on the disk. */
const LAID_OUT_MAX = 16 * 2 ** 30;
/** Blocks of a file at most. */
const BLOCKS_MAX = 2 ** 28;

/** A job file, and its bytes. */
export interface FioText {
  /** Its name, for messages and the result. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** A file of some clones. */
export interface PlannedFile {
  readonly path: string;
  /** What is on the disk; undefined: nothing. */
  readonly found: OracleFile | undefined;
  /** Bytes that the file is to have before the first run. */
  bytes: number;
}

/** A clone of a job. */
export interface PlannedClone {
  readonly job: FioJob;
  /** Number of the clone in its job. */
  readonly number: number;
  readonly files: readonly FioFile[];
}

export interface FioWork {
  readonly clones: readonly PlannedClone[];
  readonly files: readonly PlannedFile[];
}

/** Bytes that a disk made for the jobs needs besides what is on it. */
export function roomOf(jobs: readonly FioJob[]): number {
  let bytes = 0;
  for (const job of jobs) {
    const { size, filesize, numjobs, filename } = job.values;
    const ofClone =
      filesize !== undefined ? filesize * filesOf(job) : size !== undefined && 'bytes' in size ? size.bytes : 0;
    // With a block of pointers and a directory's entry for each.
    bytes += (filename.length === 0 ? numjobs : 1) * (ofClone * 1.01 + filesOf(job) * 16_384);
  }
  return Math.ceil(bytes);
}

/**
 * @param layAll whether files that are only written are laid out, too
 * @throws InputError for a job that the disk does not fit
 */
export function planFio(
  jobs: readonly FioJob[],
  { file }: FioText,
  disk: readonly OracleFile[],
  layAll: boolean,
): FioWork {
  const onDisk = new Map(disk.map((each) => [each.path, each]));
  const files = new Map<string, PlannedFile>();
  const clones: PlannedClone[] = [];
  for (const job of jobs) {
    const refuse = (reason: string): never => {
      throw new InputError(`${printable(file)}:${job.line}: [${job.name}] ${reason}`);
    };
    const isLaidOut = layAll || directionsOf(job).reads || job.values.overwrite || job.values.direct;
    for (let number = 0; number < job.values.numjobs; number++) {
      const ofClone = pathsOf(job, number).map((path): FioFile => {
        const known = files.get(path);
        const found = known?.found ?? onDisk.get(path);
        const { bytes, whole } = extentOf(job, found?.size ?? known?.bytes, path, refuse);
        const planned = known ?? { path, found, bytes: found?.size ?? 0 };
        if (isLaidOut) planned.bytes = Math.max(planned.bytes, whole);
        files.set(path, planned);
        return { path, bytes };
      });
      clones.push({ job, number, files: ofClone });
    }
  }
  const made = [...files.values()].reduce((sum, { bytes, found }) => sum + bytes - (found?.size ?? 0), 0);
  if (made > LAID_OUT_MAX)
    throw new InputError(
      `${printable(file)}: size: files of ${counted(made, 'byte')} are to be laid out, ${counted(LAID_OUT_MAX, 'byte')} at most`,
    );
  return { clones, files: [...files.values()] };
}

/** Bytes that a pass touches of a file, and that the file is to have. */
function extentOf(
  job: FioJob,
  onDisk: number | undefined,
  path: string,
  refuse: (reason: string) => never,
): { readonly bytes: number; readonly whole: number } {
  const { size, filesize } = job.values;
  const whole = filesize ?? (size !== undefined && 'bytes' in size ? Math.floor(size.bytes / filesOf(job)) : onDisk);
  if (whole === undefined || whole === 0)
    return refuse(`size: ${printable(path)} is not on the disk, or empty: give a size`);
  const share =
    size === undefined
      ? whole
      : 'bytes' in size
        ? Math.floor(size.bytes / filesOf(job))
        : Math.floor((whole * size.percent) / 100);
  const bytes = Math.min(whole, share);
  if (bytes < bufferOf(job))
    refuse(`bs: a block of ${bufferOf(job)} bytes is larger than the ${bytes} of ${printable(path)}`);
  if (bytes / unitOf(job) > BLOCKS_MAX) refuse(`bs: ${printable(path)} has more than ${BLOCKS_MAX} blocks`);
  return { bytes, whole };
}

function pathsOf(job: FioJob, clone: number): string[] {
  const { filename, directory } = job.values;
  const names =
    filename.length > 0 ? filename : Array.from({ length: filesOf(job) }, (_, n) => `${job.name}.${clone}.${n}`);
  return names.map(
    (name) =>
      `/${`${directory}/${name}`
        .split('/')
        .filter((part) => part !== '')
        .join('/')}`,
  );
}
