/**
 * What a drive keeps its sectors in. An image store is the medium: what was written to it has survived.
 * Reads and writes are whole and immediate; time, caching and loss are the drive's.
 */
export interface ImageStore {
  /** Size in bytes. */
  readonly size: number;
  /** Reads `length` bytes from `offset`; the range lies inside the image. */
  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void;
  /** Writes `length` bytes at `offset`; the range lies inside the image. */
  write(offset: number, src: Uint8Array, srcOffset: number, length: number): void;
}
