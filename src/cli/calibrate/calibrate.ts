/**
 * `stillwarm calibrate`: a profile of this host, as far as it can be measured.
 *
 * It reads clocks, which no model does, and never root's. Without `--scratch` nothing is written.
 * Whatever is not measured comes from the base, and is told.
 */

import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { resolve } from 'node:path';
import { ArgumentError, printable, UserError } from '../../base/index.ts';
import { checkOutputs, kindOf, replaceFile } from '../../experiment/guest/output-file.ts';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { PROFILE, profileFrom, profileText } from '../../experiment/host/profile-file.ts';
import type { DiskSection, Profile } from '../../machine/profile.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { parseCommand } from '../kit/args.ts';
import { commandHelp } from '../kit/help.ts';
import { writeNotices, type Io } from '../kit/io.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';
import { withProgress } from '../kit/progress.ts';
import { textOf } from '../kit/read-text.ts';
import { sizeText } from '../kit/values.ts';
import { ChildFailed } from './dd.ts';
import { driveFindings } from './drive.ts';
import { type Calibration, figureOf, type Finding, isMeasured } from './figures.ts';
import { fitToLog, readDriveLog } from './drive-log.ts';
import { CALIBRATE } from './options.ts';
import { measureProcessor } from './processor.ts';
import { profileOfHost } from './profile-of-host.ts';
import { checkScratch, driveBelow, type ScratchTimes, timeScratch } from './scratch.ts';
import { renderFindings } from './text.ts';

type Given = ValuesOf<typeof CALIBRATE.options>;

const PAGE = 4096;
const LOG_BYTES_MAX = 64 << 20;
const NODE_CALLS = 20_000;

/**
 * @returns the exit status 0
 * @throws UserError, InputError
 */
export function calibrate(argv: readonly string[], io: Io): number {
  const { options: given } = parseCommand(CALIBRATE, argv);
  if (given.help) {
    io.stdout.write(commandHelp(CALIBRATE));
    return 0;
  }
  if (process.platform !== 'linux')
    throw new UserError('calibrate: it measures by dd and /proc of Linux: run it there');
  const out = given.out === undefined ? undefined : resolve(io.cwd, given.out);
  if (out !== undefined) {
    const { 'drive-log': log } = given;
    const inputs = log === undefined ? [] : [{ name: '--drive-log', path: resolve(io.cwd, log) }];
    checkOutputs(inputs, [{ name: '--out', path: out }], io.hostStreams);
    if (kindOf(out) === 'file') throw new UserError(`--out: ${out} exists already; name another file`);
  }
  const scratch = given.scratch === undefined ? undefined : resolve(io.cwd, given.scratch);
  if (scratch !== undefined) checkScratch({ directory: scratch, bytes: given['scratch-size'] });

  const { 'drive-sheet': sheet, 'drive-log': logName } = given;
  for (const [option, value] of [
    ['--drive-sheet', sheet],
    ['--drive-log', logName],
  ] as const)
    if (value !== undefined && scratch !== undefined)
      throw new UserError(`${option}: the drive is measured by --scratch, or told by a data sheet or a log, not both`);

  const base = PROFILE[given.base];
  // Figures that make no drive are told before anything is measured.
  const start = driveWith(base, sheet);
  const ofLog =
    logName === undefined
      ? undefined
      : fitToLog(logName, readDriveLog(logName, textOf(logName, io, LOG_BYTES_MAX, 'a log')), start);
  const measurement = withProgress(io.stderr, (onProgress) => measured(base, given, scratch, onProgress));
  const remarks = [...measurement.remarks, ...(ofLog === undefined ? [] : [ofLog.remark])];
  const calibration = { ...measurement, remarks };
  const profile = profileOfHost(
    base,
    given.name,
    calibration,
    { date: today(), host: hostText() },
    ofLog?.disk ?? sheet,
  );
  const text = profileText(profile);
  if (out !== undefined) replaceFile(out, (part) => writeFileSync(part, text, { flag: 'wx' }));
  const found = renderFindings(calibration, base.name);
  const ending =
    out === undefined
      ? 'Nothing was written: --out FILE writes the profile, --json prints it.'
      : `${printable(out)}: the profile; --profile ${printable(given.out!)} runs on it.`;
  if (given.json) {
    io.stdout.write(text);
    writeNotices(io, [...found.split('\n').map((line) => ` ${line}`), ...(out === undefined ? [] : [ending])]);
  } else io.stdout.write(`${found}\n\n${ending}\n`);
  return 0;
}

function measured(base: Profile, given: Given, scratch: string | undefined, onProgress: ProgressListener): Calibration {
  const { rounds } = given;
  onProgress({ phase: 'measuring the processor', done: 0, total: 1 });
  // A file of some ten MiB that may be read by all, and that is in the page cache already.
  const file = process.execPath;
  const { findings, cachedReadNs } = asMistake(() => measureProcessor(base, rounds, file));
  const remarks = remarksOfHost();
  if (cachedReadNs !== undefined)
    remarks.push(`a read of 4 KiB that is cached costs ${Math.round(cachedReadNs)} ns by these figures`);
  if (given['drive-sheet'] !== undefined || given['drive-log'] !== undefined) return { findings, remarks };
  if (scratch === undefined)
    return {
      findings: [
        ...findings,
        { name: 'disk.readLatencyNs', why: 'no --scratch DIR says where a scratch file may be written' },
      ],
      remarks,
    };
  const drive = driveBelow(scratch);
  if (drive?.isRotating === true && !drive.isVirtual)
    return {
      findings: [
        ...findings,
        { name: 'disk.readLatencyNs', why: `${drive.name} has platters: seeks and zones are in its data sheet` },
      ],
      remarks,
    };
  const bytes = given['scratch-size'];
  const times = timeScratch({ directory: scratch, bytes, rounds }, onProgress);
  if (times === undefined)
    return {
      findings: [...findings, { name: 'disk.readLatencyNs', why: `the file system of ${scratch} has no direct reads` }],
      remarks,
    };
  remarks.push(`a scratch file of ${sizeText(bytes)} was written in ${scratch}, read, and removed`);
  if (drive === undefined) remarks.push('the host does not tell which drive that is');
  else if (drive.isVirtual) remarks.push(`${drive.name} is a virtual drive: the host below it may cache and limit it`);
  const found = ofDrive(base, findings, times, file, cachedReadNs);
  return { findings: [...findings, ...found.findings], remarks: [...remarks, ...found.remarks] };
}

function ofDrive(
  base: Profile,
  findings: readonly Finding[],
  times: ScratchTimes,
  file: string,
  cachedReadNs: number | undefined,
): Calibration {
  const valueOf = (name: Finding['name'], otherwise: number): number => {
    const found = findings.find((each) => each.name === name);
    return found !== undefined && isMeasured(found) ? found.median : otherwise;
  };
  const { syscallNs, contextSwitchNs } = base.guest;
  const nodeNs = Math.max(0, cachedReadOfNode(file) - (cachedReadNs ?? 0));
  return driveFindings(
    times,
    {
      nodeNs,
      syscallNs: valueOf('guest.syscallNs', syscallNs.value),
      switchNs: valueOf('guest.contextSwitchNs', contextSwitchNs.value),
    },
    base,
    base.disk.kind === 'nvme' ? base.disk : SERVER_2026.disk,
  );
}

/** A cached read of 4 KiB as node does it, ns: what dd takes of it is the kernel's. */
function cachedReadOfNode(file: string): number {
  const buffer = new Uint8Array(PAGE);
  const fd = openSync(file, 'r');
  try {
    const times: number[] = [];
    for (let n = 0; n < NODE_CALLS; n++) {
      const begin = process.hrtime.bigint();
      readSync(fd, buffer, 0, PAGE, (n % 256) * PAGE);
      times.push(Number(process.hrtime.bigint() - begin));
    }
    return figureOf(times).median;
  } finally {
    closeSync(fd);
  }
}

function remarksOfHost(): string[] {
  const [load = 0] = loadavg();
  const processors = availableParallelism();
  return load <= processors / 2
    ? []
    : [`the host was busy (load ${load.toFixed(1)} of ${processors}): measure again when it is idle`];
}

function hostText(): string {
  const model = cpus()[0]?.model.trim().replaceAll(/\s+/g, ' ');
  return `${model === undefined || model === '' ? process.arch : model}, Linux ${release()}`;
}

/** The drive of the sheet, or of the base. @throws UserError for a sheet that makes no drive */
function driveWith(base: Profile, disk: DiskSection | undefined): DiskSection {
  try {
    return profileFrom({ name: 'start', extends: base.name, ...(disk && { disk }) }).disk;
  } catch (error) {
    if (error instanceof ArgumentError) throw new UserError(`--drive-sheet: ${error.message}`);
    throw error;
  }
}

const today = (): string => new Date().toISOString().slice(0, 10);

/** A dd that fails is for the user: it is not installed, or may not run. */
function asMistake<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof ChildFailed) throw new UserError(`calibrate: ${error.message}`);
    throw error;
  }
}
