/** Block devices: image stores, the drive with its service-time models, and mkfs. */
export { type BackingStore, type Extent, type Medium, noteChange, type Writer } from './backing-store.ts';
export type { BlockDevice, BlockOp, BlockRequest, Segment } from './block-device.ts';
export { Drive, type DriveCounters, type DriveOptions, type DrivePort } from './drive.ts';
export { FileImage, type FileImageOptions } from './file-image.ts';
export { readHostTree } from './host-tree.ts';
export type { ImageStore } from './image-store.ts';
export * from './joined-image.ts';
export * from './make-service-time.ts';
export * from './memory-image.ts';
export { type Ext2Options, makeExt2, type Progress } from './mkfs.ts';
export {
  countFiles,
  directory,
  type DirectoryNode,
  type Entry,
  file,
  type FileContent,
  type FileNode,
  type Meta,
  sparse,
  symlink,
  type SymlinkNode,
  tree,
  type Tree,
  type TreeNode,
} from './mkfs-tree.ts';
export * from './overlay-image.ts';
export * from './partition.ts';
export * from './service-time.ts';
