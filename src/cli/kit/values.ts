/**
 * The values that options take, from the text that the user gave. Anything else is a UserError of
 * one line that names the option and says what is allowed.
 */

import { PAGE_SIZE, printable, UserError } from '../../base/index.ts';
import { DOMAIN0_CACHE_MIN } from '../../domain0/cached-file.ts';
import { MEMORY_MAX } from '../../experiment/host/host.ts';
import { checkDiskLimit, type DiskLimit, type ProfileName, PROFILES } from '../../experiment/host/profiles.ts';

/** Most sizes of a curve. */
const CURVE_SIZES = 32;
/** Smallest guest memory, bytes. */
export const MEMORY_MIN = 16 << 20;

/**
 * One of `allowed`.
 * @throws UserError naming the option and all that is allowed
 */
export function parseChoice<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const choice = allowed.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new UserError(`${option}: ${oneLine(text)} is none of ${allowed.join(', ')}`);
}

/** A file that holds a profile. */
export interface ProfileFileName {
  readonly profileFile: string;
}

/**
 * The name of a profile that is known, or of a file: what ends in .json or has a slash.
 * @throws UserError
 */
export function parseProfileName(option: string, text: string): ProfileName | ProfileFileName {
  const known = PROFILES.find((name) => name === text);
  if (known !== undefined) return known;
  if (text.endsWith('.json') || text.includes('/')) return { profileFile: text };
  throw new UserError(
    `${option}: ${oneLine(text)} is none of ${PROFILES.join(', ')}, nor a file, whose name ends in .json or has a slash`,
  );
}

/** A comma-separated list of different ones of `allowed`. @throws UserError */
export function parseList<T extends string>(option: string, text: string, allowed: readonly T[]): T[] {
  const list = text.split(',').map((part) => parseChoice(option, part.trim(), allowed));
  const twice = list.find((name, index) => list.indexOf(name) !== index);
  if (twice !== undefined) throw new UserError(`${option}: ${twice} is named twice`);
  return list;
}

/** How much faster than recorded a trace is replayed at most. */
const MOST_SPEED = 1e6;

/** log2 of the units of a size. */
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 0, k: 10, m: 20, g: 30, t: 40 };

/**
 * A positive size in bytes: 4096, 512M, 1.5GiB, 256MB, 64 MiB. All units are powers of 1024, as
 * those of memory are, and case does not matter.
 * @throws UserError
 */
export function parseSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgt])(?:i?b)?|b)?$/i.exec(text);
  const bytes = match === null ? Number.NaN : Number(match[1]) * 2 ** SIZE_UNITS[(match[2] ?? '').toLowerCase()]!;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UserError(`${option}: ${oneLine(text)} is not a size in bytes such as 65536, 512M, 256MB or 1.5GiB`);
}

/**
 * A size in the largest unit of which it is a whole number, as `parseSize` takes it: 64GiB,
 * 1536MiB.
 */
export function sizeText(bytes: number): string {
  if (bytes === 0) return '0';
  const units = ['', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = units.findLastIndex((_, i) => bytes % 1024 ** i === 0);
  return `${bytes / 1024 ** unit}${units[unit]}`;
}

/** A size of memory: whole pages, within what the model takes. @throws UserError */
export function parseMemory(option: string, text: string): number {
  const bytes = parseSize(option, text);
  if (bytes < MEMORY_MIN || bytes > MEMORY_MAX)
    throw new UserError(`${option}: ${text} is not ${sizeText(MEMORY_MIN)} to ${sizeText(MEMORY_MAX)}`);
  if (bytes % PAGE_SIZE !== 0) throw new UserError(`${option}: ${text} is not a multiple of ${PAGE_SIZE} bytes`);
  return bytes;
}

/** A size of domain 0's page cache. @throws UserError */
export function parseDomain0Cache(option: string, text: string): number {
  const bytes = parseSize(option, text);
  if (bytes >= DOMAIN0_CACHE_MIN && bytes <= MEMORY_MAX) return bytes;
  throw new UserError(`${option}: ${text} is not ${sizeText(DOMAIN0_CACHE_MIN)} to ${sizeText(MEMORY_MAX)}`);
}

/** Different sizes of domain 0's page cache, comma-separated, and 0 for none. @throws UserError */
export function parseDomain0Curve(option: string, text: string): number[] {
  const sizes = text.split(',').map((part) => (part.trim() === '0' ? 0 : parseDomain0Cache(option, part.trim())));
  const twice = sizes.find((size, index) => sizes.indexOf(size) !== index);
  if (twice !== undefined) throw new UserError(`${option}: ${sizeText(twice)} is named twice`);
  if (sizes.length > CURVE_SIZES) throw new UserError(`${option}: ${sizes.length} sizes are more than ${CURVE_SIZES}`);
  return sizes;
}

/** An integer of `min` to `max`. @throws UserError */
export function parseInteger(option: string, text: string, min: number, max: number): number {
  const integer = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (integer >= min && integer <= max) return integer;
  throw new UserError(`${option}: ${oneLine(text)} is not an integer of ${min} to ${max}`);
}

/** A number of more than 0, or of 0 on, to `max`, with at most six digits behind the point. */
export function parseNumber(option: string, text: string, max: number, least: 'more than 0' | '0'): number {
  const value = /^\d{1,10}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max && (value > 0 || least === '0')) return value;
  throw new UserError(`${option}: ${oneLine(text)} is not a number of ${least} to ${max} such as 5 or 0.25`);
}

/** A number and a size of files that are made: 1000x64KiB. @throws UserError */
export function parseMadeFiles(option: string, text: string, { files, bytes }: Most): { count: number; size: number } {
  const [, number, sizeOfEach] = /^(\d{1,10})x(.+)$/i.exec(text) ?? [];
  if (number === undefined || sizeOfEach === undefined)
    throw new UserError(`${option}: ${oneLine(text)} is not COUNTxSIZE such as 1000x64KiB`);
  const count = parseInteger(option, number, 1, files);
  const size = parseSize(option, sizeOfEach);
  if (count * size <= bytes) return { count, size };
  throw new UserError(`${option}: ${oneLine(text)} is more than ${sizeText(bytes)} in all`);
}

/** The most that may be made: files, and bytes of all of them. */
interface Most {
  readonly files: number;
  readonly bytes: number;
}

/** A number of 0 to `max` with at most six digits behind the point. @throws UserError */
export function parsePercent(option: string, text: string, max: number): number {
  const percent = /^\d{1,4}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (percent <= max) return percent;
  throw new UserError(`${option}: ${oneLine(text)} is not a number of 0 to ${max} such as 5 or 0.25`);
}

/** Numbers by name: `a=1,b=0.5`. @throws UserError that names what is at fault */
export function parseSettings(
  option: string,
  text: string,
  example = 'guest.syscallNs=500',
): Readonly<Record<string, number>> {
  const settings = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name, digits] = /^\s*([^=\s]+)\s*=\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*$/i.exec(part) ?? [];
    if (name === undefined)
      throw new UserError(`${option}: ${oneLine(part.trim())} is not NAME=NUMBER such as ${example}`);
    if (settings.has(name)) throw new UserError(`${option}: ${oneLine(name)} is named twice`);
    settings.set(name, Number(digits));
  }
  return Object.fromEntries(settings);
}

/**
 * A limit of a drive: iops=1000,mbps=100,burst=0.5.
 * @throws UserError that names the key
 */
export function parseDiskLimit(option: string, text: string): DiskLimit {
  const limit = parseSettings(option, text, 'iops=1000');
  try {
    checkDiskLimit('limit', limit);
  } catch (error) {
    throw new UserError(`${option}: ${oneLine((error as Error).message.replace(/^limit[.:] ?/, ''))}`);
  }
  return limit;
}

/** Milliseconds of a unit of time. */
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A time of the host in ms, `least` or more: 500ms, 30s, 1.5h. @throws UserError */
export function parseTime(option: string, text: string, least = 0): number {
  const [, number, unit] = /^(\d{1,10}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(text) ?? [];
  const time = unit === undefined ? Number.NaN : Number(number) * TIME_UNITS[unit]!;
  if (time >= least) return time;
  const range = Number.isNaN(time) ? 'a time such as 500ms, 30s, 10m or 2h' : `${least} ms or more`;
  throw new UserError(`${option}: ${oneLine(text)} is not ${range}`);
}

/**
 * The address of a Redis: redis://HOST:PORT, or rediss for TLS.
 * @throws UserError without its password
 */
export function parseQueue(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '') return text;
  const told = text.includes('@') ? 'it' : oneLine(text);
  throw new UserError(`${option}: ${told} is not an address such as redis://localhost:6379`);
}

const SHARDS_MAX = 1000;

/** One part of many: 2/5. @throws UserError */
export function parseShard(option: string, text: string): { number: number; of: number } {
  const [, number, of] = /^(\d{1,4})\/(\d{1,4})$/.exec(text)?.map(Number) ?? [];
  if (number !== undefined && of !== undefined && number >= 1 && number <= of && of <= SHARDS_MAX)
    return { number, of };
  throw new UserError(`${option}: ${oneLine(text)} is not a part of ${SHARDS_MAX} or less, such as 2/5`);
}

/** Where a check is to crash. */
export type CrashAt = 'every' | 'every-line' | { readonly sample: number };

/** The same from every, every-line, or sample:600. @throws UserError */
export function parseCrash(option: string, text: string): CrashAt {
  if (text === 'every' || text === 'every-line') return text;
  const [, number] = /^sample:(\d{1,9})$/.exec(text) ?? [];
  if (number !== undefined && Number(number) > 0) return { sample: Number(number) };
  throw new UserError(`${option}: ${oneLine(text)} is neither every, every-line nor a sample such as sample:600`);
}

/** Up to three steps: 345:12,7 with lines, 401=33 with a subset. @throws UserError */
export function parseMoments(option: string, text: string): string {
  if (/^\d{1,15}(:\d{1,2}|=\d{1,9})?(,\d{1,15}(:\d{1,2})?){0,2}$/.test(text)) return text;
  throw new UserError(
    `${option}: ${oneLine(text)} is not one to three of STEP or STEP:LINES such as 345:12,7, nor STEP=SUBSET first`,
  );
}

/** A word of the user's as part of a one-line message. */
export function oneLine(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return /^[\x21-\x7e]+$/.test(shown) ? shown : printable(JSON.stringify(shown));
}

/** A time of a trace, such as 30s, or a share of its operations, such as 0.5. @throws UserError */
export function parseRebootAt(
  option: string,
  text: string,
): { readonly seconds: number } | { readonly fraction: number } {
  const [, digits, unit] = /^(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h)?$/.exec(text) ?? [];
  const value = Number(digits);
  if (unit !== undefined && value > 0) return { seconds: (value * TIME_UNITS[unit]!) / 1000 };
  if (unit === undefined && value > 0 && value < 1) return { fraction: value };
  throw new UserError(
    `${option}: ${oneLine(text)} is neither a time such as 30s, 5m or 1.5h, nor a share of more than 0 and less than 1`,
  );
}

/** `asfast`, `recorded`, or `xN` for N times as fast as recorded. @throws UserError */
export function parseRate(
  option: string,
  text: string,
): { readonly pace: 'asfast' | 'recorded'; readonly speed: number } {
  if (text === 'asfast' || text === 'recorded') return { pace: text, speed: 1 };
  const [, digits] = /^x(\d{1,7}(?:\.\d{1,7})?)$/.exec(text) ?? [];
  const speed = Number(digits);
  if (speed > 0 && speed <= MOST_SPEED) return { pace: 'recorded', speed };
  throw new UserError(
    `${option}: ${oneLine(text)} is none of asfast, recorded, and xN for more than 0 to ${MOST_SPEED} times as fast`,
  );
}
