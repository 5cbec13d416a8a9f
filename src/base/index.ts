/** Units, architectures, assertions, the four kinds of failure, byte layouts, strings for bytes, counts in text, checksums and Ethernet frames. */
export * from './arch.ts';
export * from './argument-error.ts';
export * from './assert.ts';
export * from './counted.ts';
export * from './crc32c.ts';
export * from './errno.ts';
export * from './ethernet.ts';
export * from './layout.ts';
export * from './shell-word.ts';
export * from './text.ts';
export * from './units.ts';
export * from './user-error.ts';
