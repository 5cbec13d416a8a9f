// Machines of tests get the memories of those that are gone (memories.ts). A setup file of test
// files that share a process, which loads the door once.
import { Machine } from '../../src/doors/machine/index.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { memoryOf } from './memories.ts';

type BootWith = typeof Machine.bootWith;
/** The door is one for all files of a process: it is wrapped once. */
const originals = ((globalThis as { __bootWith__?: WeakMap<object, BootWith> }).__bootWith__ ??= new WeakMap());
const original = originals.get(Machine) ?? Machine.bootWith;
originals.set(Machine, original);

/** Less has no room for a guest: it is the door's to refuse. */
const LEAST = 8 << 20;
const MOST = 64 << 20;

Machine.bootWith = (options, parts) => {
  const { memory } = options;
  const isUsual = memory !== undefined && memory >= LEAST && memory <= MOST && parts.memory === undefined;
  const more = isUsual ? { memory: memoryOf(machineMemoryFor(memory)) } : {};
  return original.call(Machine, options, { ...parts, ...more });
};
