/** What each action is in plain words. */

import { counted } from '../../base/counted.ts';
import { ActionKind, kindOf } from './actions.ts';
import { G_PAGE, IO_BLOCK, IO_WRITE, SECOND } from './state.ts';
import type { World } from './world.ts';

const K = ActionKind;

/** An action in the state before it. */
export function describe(world: World, action: number): string {
  const x = (action >>> 8) & 15;
  const y = (action >>> 4) & 15;
  const { pages } = world.scope;
  const frame = `frame ${x}`;
  const page = (id: number): string => `page ${id % pages} of file ${Math.floor(id / pages)}`;
  const guest = (): string => (world.ownerOf(x) === SECOND ? 'the other guest' : 'the guest');
  const io = (): string => {
    const transfer = world.transfer(x, y);
    const block = transfer & IO_BLOCK;
    return (transfer & IO_WRITE) !== 0
      ? `the write of ${frame} to block ${block}`
      : `the read of block ${block} into ${frame}`;
  };
  const used = (): number => (world.uses[x]! & G_PAGE) - 1;
  switch (kindOf(action)) {
    case K.read:
      return `the guest submits a read of block ${y} into ${frame}`;
    case K.write:
      return world.ownerOf(x) === SECOND
        ? `the other guest stores to ${frame} and submits a write of it to block ${y}`
        : `the guest submits a write of ${frame} to block ${y}`;
    case K.move:
      return `the drive moves the bytes of ${io()}`;
    case K.end:
      return `${io()} ends`;
    case K.fail:
      return `${io()} fails`;
    case K.store:
      return `the guest stores to ${frame}`;
    case K.name:
      return `the guest names ${frame} ${page(y)}`;
    case K.erase:
      return `the guest erases the name of ${frame}`;
    case K.release:
      return `${guest()} gives ${frame} back`;
    case K.take:
      return `${y === SECOND ? 'the other guest' : 'the guest'} is given ${frame}`;
    case K.map:
      return y === 0 ? `${page(x)} is truncated` : `block ${y - 1} becomes ${page(x)}`;
    case K.unlink:
      return `file ${x} is deleted, and a new file has its inode`;
    case K.sync:
      return 'the map is written to the disk';
    case K.crash:
      return 'the guest crashes';
    case K.retire:
      return 'the frames of the dead guest are judged';
    case K.rebuild:
      return 'the next guest is built on the same frames';
    case K.leave:
      return 'the guest shuts down, and its frames are left for the next hypervisor';
    case K.reload:
      return x === 0
        ? 'the machine is reset, and the next hypervisor boots the guest'
        : 'the machine is reset and loses what only the CPU cache has; the next hypervisor boots the guest';
    case K.claim:
      return `the guest claims ${page(x)} for block ${action & 15}, and takes the frame over`;
    case K.elsewhere:
      return `another machine writes to block ${x}`;
    case K.flip:
      return `a byte of ${frame} changes, and nothing has stored to it`;
    case K.damage:
      return `the block in the record of ${frame} changes to ${y}`;
    case K.fill:
      return `the guest reads ${page(y)}, block ${world.kernelMap[y]! - 1}, into ${frame}`;
    case K.tell:
      return `the guest names ${frame} ${page(used())}`;
    case K.evict:
      return `the guest evicts ${page(used())} from ${frame}; the erasure waits in the batch`;
    case K.flush:
      return 'the guest flushes its batch of erasures';
    case K.change:
      return `a program writes to ${page(used())} in ${frame}`;
    case K.writeBack:
      return `the guest writes ${page(used())} back from ${frame}`;
    case K.reuse:
      return `the guest uses ${frame} for something else and stores to it`;
    case K.cut:
      return `the guest submits a read of block ${y} into ${frame}; the hypervisor stops after ${counted(action & 15, 'store')} of the record, and the guest dies`;
    case K.lateStore:
      return `the old guest, which still runs, stores to ${frame}`;
  }
}
