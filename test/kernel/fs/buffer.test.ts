// The blocks of metadata: which of them are in memory, and who is said to have used them.
import { expect, it } from 'vitest';
import { type Ino, type Pfn } from '../../../src/base/index.ts';
import { KERNEL_RULES } from '../../../src/kernel/rules.ts';
import { PG } from '../../../src/kernel/index.ts';
import { BlockDeviceMapping, Buffers } from '../../../src/kernel/fs/buffer.ts';
import { KernelLog } from '../../../src/kernel/log.ts';
import type { Process } from '../../../src/sim/index.ts';
import { COSTS } from '../../support/fake-machine.ts';
import { rig } from '../cache/page-io-rig.ts';

it('a block of metadata is in memory once it was read, and only a look at its bytes counts as a use', () => {
  const { machine, mm, io, writeback, start, serve, blocks } = rig();
  const { env } = machine;
  const device = new BlockDeviceMapping(mm.cache.open(0 as Ino, 0, false, writeback), 64, {
    all: () => [][Symbol.iterator](),
    get: () => undefined,
    put: () => undefined,
  });
  const buffers = new Buffers(
    { env, costs: COSTS, log: new KernelLog(env.cpu), mm, io, writeback, rules: KERNEL_RULES },
    device,
  );
  expect([buffers.has(7), buffers.find(7)]).toEqual([false, undefined]);
  const read: Pfn[] = [];
  start(
    (function* (): Process {
      read.push(yield* buffers.bread(7));
    })(),
  );
  // Until its bytes have come, it is not there.
  expect([buffers.has(7), buffers.find(7)]).toEqual([false, undefined]);
  serve();
  expect([blocks, read]).toEqual([[7], [mm.cache.find(device.space, 7)]]);
  const isUsed = (): boolean => mm.map.has(read[0]!, PG.referenced | PG.active);
  mm.map.clear(read[0]!, PG.referenced);
  expect([buffers.has(7), isUsed()]).toEqual([true, false]);
  expect([buffers.find(7), isUsed()]).toEqual([read[0], true]);
  expect([buffers.has(8), buffers.find(8)]).toEqual([false, undefined]);
});
