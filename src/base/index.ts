/** Units, assertions, errors, byte layouts and checksums. */
export * from './arch.ts';
export * from './assert.ts';
export * from './crc32c.ts';
export * from './errno.ts';
export * from './layout.ts';
export * from './units.ts';
export * from './user-error.ts';
