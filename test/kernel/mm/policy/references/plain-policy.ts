// What the slow, plain references have in common. Pages are known by their index. A list is an
// array, oldest first.

/** A policy as its paper tells it, over arrays. */
export interface PlainPolicy {
  /** The page was missed: room will be made for it. */
  willAdd(page: number): void;
  /** It has come in, by an access. */
  add(page: number): void;
  /** It is used again. */
  use(page: number): void;
  /** A pass of reclaim begins. */
  beginPass(): void;
  /** The page that goes next leaves its list; undefined: there is none. */
  next(): number | undefined;
  /** A page that `next` has named stays, used or not. */
  stay(page: number, isUsed: boolean): void;
  /** The page leaves for another reason. */
  remove(page: number): void;
  /** Pages in memory, oldest first: those that go first, then the others. */
  lists(): readonly (readonly number[])[];
}

/** Takes a value out of a list; returns whether it was there. */
export function takeOut(list: number[], value: number): boolean {
  const at = list.indexOf(value);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

/** Puts a name into a list that has `most` at most: the oldest one goes. */
export function pushBounded(list: number[], value: number, most: number): void {
  list.push(value);
  while (list.length > Math.max(0, most)) list.shift();
}
