/**
 * What functions have said, by what they have looked at. A function that is given the same parts
 * says the same. So each is a tree: a node names the part that it looks at next, and leads on by
 * the number of that part. All trees lie in one table.
 */

const LEAST_NODES = 1 << 8;
const LEAST_SLOTS = 1 << 10;
/** Words of a slot: a node, the number of a part, and what lies behind. */
const SLOT = 3;

/** Nothing is known yet. */
export const UNKNOWN = -1;

/** What one function has said. */
export class Tree {
  /** Its first node; -1 - answer, where it looks at nothing; 0 where nothing is known. */
  root = 0;
  hits = 0;
  misses = 0;
  /** It is asked each time: it seldom looks at the same. */
  isOff = false;
}

export class Decisions {
  #nodes = 0;
  /** By node: the part that is looked at. Nodes are counted from 1. */
  #columns = new Int32Array(LEAST_NODES);
  #slots = new Int32Array(SLOT * LEAST_SLOTS);
  #used = 0;

  /** An answer from 0, or UNKNOWN. @param at where the parts of a state begin */
  find({ root }: Tree, words: Int32Array, at: number): number {
    let next = root;
    while (next > 0) next = this.#slots[this.#slotOf(next, words[at + this.#columns[next]!]!) + 2]!;
    return -1 - next;
  }

  /**
   * Keeps an answer.
   * @param looked parts, in the order in which they were looked at
   * @returns false when the function has looked at other parts before, for no reason in the state
   */
  learn(tree: Tree, looked: readonly number[], words: Int32Array, at: number, answer: number): boolean {
    let next = tree.root;
    let slot = -1;
    for (const column of looked) {
      if (next === 0) {
        next = this.#newNode(column);
        this.#lead(tree, slot, next);
      }
      if (next < 0 || this.#columns[next] !== column) return false;
      slot = this.#slotFor(next, words[at + column]!);
      next = this.#slots[slot + 2]!;
    }
    if (next !== 0) return next === -1 - answer;
    this.#lead(tree, slot, -1 - answer);
    return true;
  }

  #lead(tree: Tree, slot: number, to: number): void {
    if (slot < 0) tree.root = to;
    else this.#slots[slot + 2] = to;
  }

  #newNode(column: number): number {
    if (++this.#nodes === this.#columns.length) {
      const more = new Int32Array(2 * this.#columns.length);
      more.set(this.#columns);
      this.#columns = more;
    }
    this.#columns[this.#nodes] = column;
    return this.#nodes;
  }

  /** The slot of a node and a number, or the empty one where it would be. */
  #slotOf(node: number, number: number): number {
    const slots = this.#slots;
    const all = slots.length / SLOT;
    let hash = Math.imul(node ^ Math.imul(number, 0x85ebca6b), 0x9e3779b1);
    hash ^= hash >>> 15;
    let slot = hash & (all - 1);
    while (slots[SLOT * slot] !== 0 && (slots[SLOT * slot] !== node || slots[SLOT * slot + 1] !== number))
      slot = (slot + 1) & (all - 1);
    return SLOT * slot;
  }

  #slotFor(node: number, number: number): number {
    const slot = this.#slotOf(node, number);
    if (this.#slots[slot] !== 0) return slot;
    this.#slots[slot] = node;
    this.#slots[slot + 1] = number;
    if (2 * SLOT * ++this.#used < this.#slots.length) return slot;
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    for (let i = 0; i < old.length; i += SLOT) {
      if (old[i] === 0) continue;
      const to = this.#slotOf(old[i]!, old[i + 1]!);
      for (let j = 0; j < SLOT; j++) this.#slots[to + j] = old[i + j]!;
    }
    return this.#slotOf(node, number);
  }
}
