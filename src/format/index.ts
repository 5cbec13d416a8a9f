/**
 * What lies on disks: the ext2 file system and the jbd journal, as mkfs and the kernel read and
 * write them.
 */
export * from './ext2.ts';
export * from './jbd.ts';
