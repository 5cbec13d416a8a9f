/**
 * Branded numbers: the units of the model. Passing a machine frame for a pseudo-physical one does
 * not compile. A brand costs nothing at run time.
 *
 * The constructors below are the only casts. They stand where a number first gets its meaning: a
 * parsed field, an index of the array that the file owns.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/**
 * Pseudo-physical frame number: a guest's own numbering of its memory, 0 up to its number of pages.
 */
export type Pfn = Branded<'Pfn'>;
/** Machine frame number: a 4 KiB frame of the machine's memory. */
export type Mfn = Branded<'Mfn'>;
/**
 * Inode number of the on-disk file system, 1 and up; 0 stands for the block device's own mapping.
 */
export type Ino = Branded<'Ino'>;
/** Index of a 4 KiB page within a file. */
export type PageIndex = Branded<'PageIndex'>;
/** Number of a 4 KiB block on a block device. */
export type Lba = Branded<'Lba'>;
/** Domain number; 0 is the privileged domain. */
export type DomId = Branded<'DomId'>;
/** Port of an event channel, in one domain's numbering; never 0. */
export type EvtchnPort = Branded<'EvtchnPort'>;
/** Index of an entry of one domain's grant table. */
export type GrantRef = Branded<'GrantRef'>;
/** Virtual time or a duration, integer nanoseconds. */
export type Ns = Branded<'Ns'>;

/** Says that a number is a page of a guest. Checks nothing, as all of these. */
export const Pfn = (n: number): Pfn => n as Pfn;
/** Says that a number is a frame of the machine. */
export const Mfn = (n: number): Mfn => n as Mfn;
/** Says that a number is an inode. */
export const Ino = (n: number): Ino => n as Ino;
/** Says that a number is the index of a page in a file. */
export const PageIndex = (n: number): PageIndex => n as PageIndex;
/** Says that a number is a block of 4 KiB on a device. */
export const Lba = (n: number): Lba => n as Lba;
/** Says that a number is a domain. */
export const DomId = (n: number): DomId => n as DomId;
/** Says that a number is a port of an event channel. */
export const EvtchnPort = (n: number): EvtchnPort => n as EvtchnPort;
/** Says that a number is an entry of a grant table. */
export const GrantRef = (n: number): GrantRef => n as GrantRef;
/** Says that a number is a time or a duration in ns. */
export const Ns = (n: number): Ns => n as Ns;

/** The privileged domain. */
export const DOM0 = DomId(0);

/** log2 of the page size. */
export const PAGE_SHIFT = 12;
/** Size of a page, of a frame and of a file-system block, in bytes. */
export const PAGE_SIZE = 4096;
/** Size of a sector as block requests count them, in bytes. */
export const SECTOR_SIZE = 512;
/** Sectors in one page. */
export const SECTORS_PER_PAGE = PAGE_SIZE / SECTOR_SIZE;

/** Pages that `bytes` bytes fill; the last one may be partly filled. */
export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE);
}
