// Disks with a partition table, made byte by byte.

const SECTOR = 512;

export interface MbrPart {
  readonly type: number;
  readonly first: number;
  readonly sectors: number;
}

/** A disk of so many sectors with an MBR, whose first entries are these. */
export function mbrDisk(sectors: number, parts: readonly (MbrPart | undefined)[]): Uint8Array {
  const disk = new Uint8Array(sectors * SECTOR);
  parts.forEach((part, i) => part && putMbrEntry(disk, 0, i, part));
  return disk;
}

/** Puts an entry into the boot record in a sector. */
export function putMbrEntry(disk: Uint8Array, sector: number, index: number, { type, first, sectors }: MbrPart): void {
  const view = new DataView(disk.buffer, sector * SECTOR);
  const at = 446 + index * 16;
  view.setUint8(at + 4, type);
  view.setUint32(at + 8, first, true);
  view.setUint32(at + 12, sectors, true);
  view.setUint16(510, 0xaa55, true);
}

/** A disk of so many sectors of `sector` bytes with a GPT, whose first entries are these. */
export function gptDisk(
  sectors: number,
  parts: readonly ({ readonly first: number; readonly last: number } | undefined)[],
  sector = SECTOR,
): Uint8Array {
  const disk = new Uint8Array(sectors * sector);
  putMbrEntry(disk, 0, 0, { type: 0xee, first: 1, sectors: sectors - 1 });
  const view = new DataView(disk.buffer);
  disk.set(new TextEncoder().encode('EFI PART'), sector);
  view.setBigUint64(sector + 72, 2n, true);
  view.setUint32(sector + 80, 128, true);
  view.setUint32(sector + 84, 128, true);
  parts.forEach((part, i) => {
    if (part === undefined) return;
    const at = 2 * sector + i * 128;
    disk.fill(0xaf, at, at + 32);
    view.setBigUint64(at + 32, BigInt(part.first), true);
    view.setBigUint64(at + 40, BigInt(part.last), true);
  });
  return disk;
}
