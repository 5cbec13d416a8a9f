/**
 * What is known of a disk with platters beyond the constants of a data sheet: tables of what was
 * measured at the drive. Each part may be missing. Then the constants stand for it.
 */

/** A zone: cylinders with one number of sectors per track. */
export interface ZoneRow {
  /**
   * Its first cylinder, and its last one. Between two zones there may be cylinders without data.
   */
  readonly cylinders: readonly [first: number, last: number];
  /** Sectors of 512 bytes on each of its tracks. */
  readonly sectorsPerTrack: number;
  /** Sectors by which a track begins later than the one before it in the same cylinder. */
  readonly trackSkew: number;
  /** Sectors by which a cylinder's first track begins later than the last track before it. */
  readonly cylinderSkew: number;
  /** Sectors without data at the end of each range. */
  readonly spares: number;
  /** Number of cylinders of a range; by default all of the zone. */
  readonly rangeCylinders?: number;
}

/** Time of the controller before a request is served, ns, by what the request before it was. */
export interface Overhead {
  /** After a read, ns. */
  readonly afterRead: number;
  /** After a write or flush, ns. */
  readonly afterWrite: number;
}

/** Overheads of a drive. */
export interface Overheads {
  /** Of a read that the buffer or the write cache holds. */
  readonly readHit: Overhead;
  /** Of a read from the medium. */
  readonly readMiss: Overhead;
  /** Of a write or flush. */
  readonly write: Overhead;
}

/** How a drive uses its buffer. */
export interface BufferRules {
  /** The bus takes a sector when it has been read. Otherwise it starts with the command. */
  readonly busFollowsHead: boolean;
  /** A read that the buffer answers lets the drive read further ahead. */
  readonly hitsResume: boolean;
  /**
   * What becomes of sectors that the host has read. They `stay` in the buffer until the segment
   * serves another command, read-ahead may `replace` them, or the drive may `drop` them at once.
   */
  readonly requested: 'stay' | 'replace' | 'drop';
  /** The buffer goes on answering reads of sectors that a write has changed since. */
  readonly keepsOverwritten: boolean;
}

/** Tables of one drive. */
export interface DriveTables {
  /** Where they come from. */
  readonly source: string;
  /** Its zones, outermost first. */
  readonly zones?: readonly ZoneRow[];
  /** Seek times, ns, over distances in cylinders, from 1 on. Between two rows: a line. */
  readonly seeks?: readonly (readonly [cylinders: number, ns: number])[];
  /** Switch to another head of the same cylinder, ns. */
  readonly headSwitchNs?: number;
  /** Its overheads. */
  readonly overheads?: Overheads;
  /** How it uses its buffer. */
  readonly buffer?: BufferRules;
}

/** @internal The tables in Markdown, for the page of profiles; of the seeks, how many there are. */
export function tablesText({ source, zones, seeks, headSwitchNs, overheads, buffer }: DriveTables): string {
  const rows = (head: string, lines: readonly (readonly (string | number)[])[]): string =>
    [head, head.replaceAll(/[^|]+/g, '---'), ...lines.map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
  const parts = [`Its tables: ${source}.`];
  if (zones !== undefined)
    parts.push(
      rows(
        '| cylinders | sectors per track | track skew | cylinder skew | spare sectors |',
        zones.map((zone) => [
          zone.cylinders.join(' – '),
          ...[zone.sectorsPerTrack, zone.trackSkew, zone.cylinderSkew],
          zone.rangeCylinders === undefined ? zone.spares : `${zone.spares} in ${zone.rangeCylinders} cylinders`,
        ]),
      ),
    );
  if (overheads !== undefined)
    parts.push(
      rows(
        '| overhead, ns | after a read | after a write |',
        Object.entries<Overhead>({ ...overheads }).map(([name, { afterRead, afterWrite }]) => [
          `\`${name}\``,
          afterRead,
          afterWrite,
        ]),
      ),
    );
  const rest = [
    headSwitchNs !== undefined && `head switch ${headSwitchNs} ns`,
    seeks !== undefined && `${seeks.length} seek times over 1 to ${seeks.at(-1)![0]} cylinders`,
    buffer !== undefined &&
      `buffer ${Object.entries(buffer)
        .map(([rule, value]) => `\`${rule}\` ${value}`)
        .join(', ')}`,
  ].filter((part) => part !== false);
  if (rest.length > 0) parts.push(`Also: ${rest.join('; ')}.`);
  return parts.join('\n\n');
}
