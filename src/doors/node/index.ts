/**
 * The door `stillwarm/node`: disks from directories and image files of the host, and disks saved as
 * files. What is given is only read.
 *
 * @module stillwarm/node
 */
export * from './host-disks.ts';
