/**
 * stillwarm: a machine, its hypervisor and its guests, whose page cache survives the reboot. See
 * the rooms for more.
 */
export * from './experiment/index.ts';
