/**
 * stillwarm: a machine with a hypervisor and a guest whose page cache survives the reboot. Bytes
 * in, bytes out: it runs in a browser, too.
 *
 * @module stillwarm
 */
export * from './doors/machine/index.ts';
