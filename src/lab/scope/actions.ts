/**
 * The actions of a search, as numbers: the kind, and three operands of four bits. So a history is
 * an array of numbers.
 */

/** Kinds of actions, and what x, y and z are of each. */
export const ActionKind = {
  /** Frame, block. */
  read: 0,
  /** Frame, block. */
  write: 1,
  /** Frame, which of its transfers. */
  move: 2,
  /** Frame, which of its transfers. */
  end: 3,
  /** Frame, which of its transfers. */
  fail: 4,
  /** Frame. */
  store: 5,
  /** Frame, page of a file. */
  name: 6,
  /** Frame. */
  erase: 7,
  /** Frame. */
  release: 8,
  /** Frame, its next owner. */
  take: 9,
  /** Page of a file, 1 + block. */
  map: 10,
  /** File. */
  unlink: 11,
  sync: 12,
  crash: 13,
  /** Frame that is looked at first. */
  retire: 14,
  /** Frame that is looked at first. */
  rebuild: 15,
  /** Frame that is looked at first. */
  leave: 16,
  /** Bits of the frames whose lines are lost, frame that is looked at first. */
  reload: 17,
  /** Page of a file, frame that is looked at first, block that is claimed for. */
  claim: 18,
  /** Block. */
  elsewhere: 19,
  /** Frame. */
  flip: 20,
  /** Frame, block. */
  damage: 21,
  /** Frame, page of a file. */
  fill: 22,
  /** Frame. */
  tell: 23,
  /** Frame. */
  evict: 24,
  flush: 25,
  /** Frame. */
  change: 26,
  /** Frame. */
  writeBack: 27,
  /** Frame. */
  reuse: 28,
  /** Frame. */
  lateStore: 29,
  /** Frame, block, stores of its record. */
  cut: 30,
} as const;
export type ActionKind = (typeof ActionKind)[keyof typeof ActionKind];

const K = ActionKind;

export const codeOf = (kind: ActionKind, x = 0, y = 0, z = 0): number => (kind << 12) | (x << 8) | (y << 4) | z;
export const kindOf = (action: number): ActionKind => (action >>> 12) as ActionKind;

/** Whether the first operand of an action is a frame. */
const OF_FRAMES: ReadonlySet<ActionKind> = new Set([
  ...[K.read, K.write, K.move, K.end, K.fail, K.store, K.name, K.erase, K.release, K.take],
  ...[K.flip, K.damage, K.fill, K.tell, K.evict, K.change, K.writeBack],
  ...[K.reuse, K.lateStore, K.cut],
]);

/** The frame that an action wants to be the first, or -1. */
export function frontOf(action: number): number {
  const kind = kindOf(action);
  if (kind === K.retire || kind === K.rebuild || kind === K.leave) return (action >>> 8) & 15;
  return kind === K.claim || kind === K.reload ? (action >>> 4) & 15 : -1;
}

/** The same action where the n-th frame is `order[n]`. */
export function renumbered(action: number, order: Uint8Array): number {
  const kind = kindOf(action);
  const x = (action >>> 8) & 15;
  if (kind === K.reload) {
    let lost = 0;
    for (let n = 0; n < order.length; n++) if (((x >>> n) & 1) !== 0) lost |= 1 << order[n]!;
    return (action & ~0xf00) | (lost << 8);
  }
  return OF_FRAMES.has(kind) ? (action & ~0xf00) | (order[x]! << 8) : action;
}
