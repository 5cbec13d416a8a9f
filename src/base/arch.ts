/**
 * Architectures of a machine, as far as they show in bytes: how wide the number of a frame is, and how many frames there can be.
 *
 * A number of a frame (machine or pseudo-physical), and a count of frames, has the width of the architecture's long, as in
 * Xen's public headers. The model's own numbers are 32 bits wide, 16 TiB of memory: where eight bytes are stored the
 * upper four are zero, and a reader refuses what says otherwise.
 *
 * x86_32 is a machine with PAE, as the paper's was: page-table entries are wider there, numbers of frames are not.
 */

export const ARCHS = ['x86_64', 'x86_32'] as const;
export type Arch = (typeof ARCHS)[number];

/** Bytes of the number of a frame. */
export const FRAME_NUMBER_BYTES = { x86_64: 8, x86_32: 4 } as const satisfies Record<Arch, number>;
export type FrameNumberBytes = (typeof FRAME_NUMBER_BYTES)[Arch];

/** What a record calls an architecture: e_machine of ELF, EM_X86_64 and EM_386. */
export const ARCH_CODES = { x86_64: 62, x86_32: 3 } as const satisfies Record<Arch, number>;

/** Frames that a machine has at most. x86_32: 16 GiB, as much as Xen takes with PAE; x86_64: what the model's numbers can name. */
export const MOST_FRAMES = { x86_64: 2 ** 32, x86_32: 2 ** 22 } as const satisfies Record<Arch, number>;

/** Undefined for a code that is none. */
export function archOfCode(code: number): Arch | undefined {
  return ARCHS.find((arch) => ARCH_CODES[arch] === code);
}
