/** Block devices: image stores, the drive with its service-time models, the ext2 format and mkfs. */
export * from './block-device.ts';
export * from './drive.ts';
export * from './ext2-format.ts';
export * from './file-image.ts';
export * from './host-tree.ts';
export * from './image-store.ts';
export * from './instant.ts';
export * from './joined-image.ts';
export * from './make-service-time.ts';
export * from './memory-image.ts';
export * from './mkfs.ts';
export * from './mkfs-tree.ts';
export * from './nvme.ts';
export * from './overlay-image.ts';
export * from './partition.ts';
export * from './rotating-disk.ts';
export * from './service-time.ts';
