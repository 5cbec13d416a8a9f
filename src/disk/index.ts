/**
 * Block devices: image stores, the drive with its service-time models, and mkfs.
 *
 * @module stillwarm/disk
 */
export {
  type BackingStore,
  type Extent,
  type Medium,
  noteChange,
  type WriteAccount,
  type Writer,
} from './image/backing-store.ts';
export type { BlockDevice, BlockOp, BlockRequest, Segment } from './drive/block-device.ts';
export { Drive, type DriveCounters, type DriveOptions } from './drive/drive.ts';
export type { DrivePort } from './drive/drive-port.ts';
export { FileImage, type FileImageOptions } from './image/file-image.ts';
export { readHostTree } from './mkfs/host-tree.ts';
export type { ImageStore, ReadableImage, ViewableImage } from './image/image-store.ts';
export * from './image/joined-image.ts';
export * from './drive/make-service-time.ts';
export * from './image/memory-image.ts';
export { makeExt2 } from './mkfs/mkfs.ts';
export type { Ext2Options, Progress } from './mkfs/plan.ts';
export {
  countFiles,
  type DataRuns,
  directory as directoryNode,
  type DirectoryNode,
  type Entry,
  type FileCount,
  file as fileNode,
  type FileContent,
  type FileNode,
  type LeftOut,
  type Meta,
  sparse,
  symlink as symlinkNode,
  type SymlinkNode,
  tree,
  type Tree,
  type TreeNode,
} from './mkfs/tree.ts';
export * from './image/overlay-image.ts';
export * from './drive/partition.ts';
export * from './drive/service-time.ts';
