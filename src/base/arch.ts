/**
 * Architectures of a machine: how wide a frame number is, and how many frames there can be.
 *
 * A frame number (machine or pseudo-physical), and a count of frames, has the width of the
 * architecture's long, as in Xen's public headers. The model's own numbers have 32 bits, which is
 * 16 TiB of memory. Where eight bytes are stored the upper four are zero, and a reader refuses
 * anything else.
 *
 * x86_32 is a machine with PAE, as the paper's was: page-table entries are wider there, frame
 * numbers are not.
 */

/** Architectures of a machine; the first is the default. */
export const ARCHS = ['x86_64', 'x86_32'] as const;
/** An architecture: how wide numbers of frames are in every layout, 8 bytes or 4. */
export type Arch = (typeof ARCHS)[number];

/** Bytes of a frame number. */
export const FRAME_NUMBER_BYTES = { x86_64: 8, x86_32: 4 } as const satisfies Record<Arch, number>;
export type FrameNumberBytes = (typeof FRAME_NUMBER_BYTES)[Arch];

/** The code of an architecture in a record: e_machine of ELF, EM_X86_64 and EM_386. */
export const ARCH_CODES = { x86_64: 62, x86_32: 3 } as const satisfies Record<Arch, number>;

/**
 * The most frames that a machine can have. x86_32: 16 GiB, the limit of Xen with PAE. x86_64: the
 * limit of the model's numbers.
 */
export const MOST_FRAMES = { x86_64: 2 ** 32, x86_32: 2 ** 22 } as const satisfies Record<Arch, number>;

/** Undefined for an unknown code. */
export function archOfCode(code: number): Arch | undefined {
  return ARCHS.find((arch) => ARCH_CODES[arch] === code);
}
