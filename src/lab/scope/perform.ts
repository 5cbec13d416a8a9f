/** What each action does to the small machine. */

import { ActionKind, kindOf } from './actions.ts';
import { FIRST, G_DIRTY, G_ERASING, G_PAGE, G_TOLD, G_UP_TO_DATE, IO_WRITE, Phase, SECOND } from './state.ts';
import type { World } from './world.ts';

const K = ActionKind;

/**
 * Performs an action on the small machine, which holds a state that allows it. For one that goes
 * through the frames in order the state was turned first (`frontOf`).
 */
export function perform(world: World, action: number): void {
  const x = (action >>> 8) & 15;
  const y = (action >>> 4) & 15;
  switch (kindOf(action)) {
    case K.read:
      world.begin(x, y, false);
      return;
    case K.write:
      if (world.ownerOf(x) === SECOND) world.store(x, SECOND);
      world.begin(x, y, true);
      return;
    case K.move:
      world.move(x, y);
      return;
    case K.end:
      end(world, x, y, true);
      return;
    case K.fail:
      world.faultsLeft--;
      end(world, x, y, false);
      return;
    case K.store:
      world.store(x, FIRST);
      return;
    case K.name:
      world.name(x, y);
      return;
    case K.erase:
      world.erase(x);
      return;
    case K.release:
      world.release(x);
      return;
    case K.take:
      world.take(x, y);
      return;
    case K.map:
      remap(world, x, y);
      return;
    case K.unlink:
      unlink(world, x);
      return;
    case K.sync:
      world.map.set(world.kernelMap);
      world.generations.set(world.kernelGenerations);
      return;
    case K.crash:
      world.phase = Phase.dead;
      return;
    case K.retire:
      world.retire(false);
      return;
    case K.rebuild:
      world.rebuild();
      return;
    case K.leave:
      world.retire(true);
      return;
    case K.reload:
      world.reload(x);
      return;
    case K.claim: {
      const found = world.claim(x, action & 15);
      if (found >= 0 && world.scope.guest === 'kernel') world.uses[found] = (x + 1) | G_UP_TO_DATE | G_TOLD;
      return;
    }
    case K.elsewhere:
      world.faultsLeft--;
      world.writeElsewhere(x);
      return;
    case K.flip:
      world.faultsLeft--;
      world.storeUnseen(x);
      return;
    case K.damage:
      world.faultsLeft--;
      world.damage(x, y);
      return;
    case K.lateStore:
      world.storeUnseen(x);
      return;
    case K.cut:
      world.faultsLeft--;
      world.cut(x, y, action & 15);
      world.phase = Phase.dead;
      return;
    default:
      performKernel(world, action);
  }
}

function performKernel(world: World, action: number): void {
  const x = (action >>> 8) & 15;
  const y = (action >>> 4) & 15;
  const { uses, kernelMap } = world;
  switch (kindOf(action)) {
    case K.fill:
      uses[x] = y + 1;
      world.begin(x, kernelMap[y]! - 1, false);
      return;
    case K.tell:
      world.name(x, (uses[x]! & G_PAGE) - 1);
      uses[x]! |= G_TOLD;
      return;
    case K.evict:
      drop(world, x);
      return;
    case K.flush:
      uses.forEach((use, n) => {
        if (use !== G_ERASING) return;
        world.erase(n);
        uses[n] = 0;
      });
      return;
    case K.change:
      uses[x]! |= G_DIRTY;
      world.store(x, FIRST);
      return;
    case K.writeBack:
      uses[x]! &= ~G_DIRTY;
      world.begin(x, kernelMap[(uses[x]! & G_PAGE) - 1]! - 1, true);
      return;
    default:
      world.store(x, FIRST);
  }
}

/** A page of the cache is free, once its name is gone. */
function drop(world: World, n: number): void {
  world.uses[n] = (world.uses[n]! & G_TOLD) !== 0 ? G_ERASING : 0;
}

function end(world: World, n: number, slot: number, ok: boolean): void {
  const io = world.transfer(n, slot);
  world.end(n, slot, ok);
  const use = world.uses[n]!;
  if (world.phase !== Phase.running || (use & G_PAGE) === 0) return;
  if ((io & IO_WRITE) === 0) world.uses[n] = ok ? use | G_UP_TO_DATE : 0;
  else if (!ok) world.uses[n] = use | G_DIRTY;
}

function remap(world: World, id: number, block: number): void {
  if (world.scope.guest === 'any') {
    world.map[id] = block;
    return;
  }
  world.kernelMap[id] = block;
  if (block !== 0) return;
  // A truncated page leaves the cache.
  world.uses.forEach((use, n) => {
    if ((use & G_PAGE) === id + 1) drop(world, n);
  });
}

/** The file is deleted, and another one gets its inode: the next generation of it. */
function unlink(world: World, file: number): void {
  const { pages, guest } = world.scope;
  (guest === 'kernel' ? world.kernelGenerations : world.generations)[file]!++;
  for (let id = file * pages; id < (file + 1) * pages; id++) remap(world, id, 0);
}
