// How light the pixels of a screenshot are: a reader for the PNGs that Chromium makes.
import { inflateSync } from 'node:zlib';

/** Rows of pixels, each 0 (black) to 255: 8 bits a channel, RGB or RGBA, not interlaced. */
export function lightOf(png: Buffer): number[][] {
  const [width, height, depth, kind] = [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]];
  if (depth !== 8 || (kind !== 2 && kind !== 6)) throw new Error(`a PNG of kind ${kind} with ${depth} bits`);
  const channels = kind === 2 ? 3 : 4;
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const bytes = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const rows: number[][] = [];
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1);
    const row = new Uint8Array(stride);
    for (let x = 0; x < stride; x++) {
      const [left, up, corner] = [
        x < channels ? 0 : row[x - channels]!,
        above[x]!,
        x < channels ? 0 : above[x - channels]!,
      ];
      const base = left + up - corner;
      const nearest = [left, up, corner].reduce((a, b) => (Math.abs(b - base) < Math.abs(a - base) ? b : a));
      row[x] = bytes[from + 1 + x]! + [0, left, up, (left + up) >> 1, nearest][bytes[from]!]!;
    }
    rows.push(
      Array.from(
        { length: width },
        (_, x) => (row[x * channels]! + row[x * channels + 1]! + row[x * channels + 2]!) / 3,
      ),
    );
    above = row;
  }
  return rows;
}
