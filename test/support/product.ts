// Which cases of an exhaustive product a run plays: of all events at which something may begin, of
// all blocks that may fail.
//
// - `npm test` plays a sample by a fixed seed. STILLWARM_RUNS=n makes it n times as large; a larger
//   sample contains the smaller.
// - `npm run test:laws` plays the whole, and prints for each law how many cases that is. With
//   STILLWARM_SHARD=i/n it plays the i-th of n parts: the parts are disjoint, and all together are
//   the whole.
//
// The seed is derived from the names alone, so that two runs play the same cases. A law may have
// several products, its parts.
import { RandomStreams } from '../../src/sim/index.ts';
import { playsLaws, runsFactor, shardToPlay } from './property.ts';

export interface Sample {
  /** Cases that `npm test` plays, at most. */
  readonly sample: number;
  /**
   * Cases of the whole, where that is a figure of the law: another number of them fails the test.
   */
  readonly whole?: number;
}

interface Played {
  played: number;
  sample: number;
  whole: number;
}

const playedOf = new Map<string, Played>();

/**
 * The cases to play, in the order of the whole. Throws when the whole is not as large as it is said
 * to be.
 */
export function casesOf<T>(law: string, part: string, all: readonly T[], { sample, whole }: Sample): readonly T[] {
  const name = part === '' ? law : `${law}, ${part}`;
  if (whole !== undefined && all.length !== whole) throw new Error(`${name}: ${all.length} cases, and not ${whole}`);
  const order = shuffled(name, all.length);
  const shard = shardToPlay();
  const wanted = playsLaws() ? all.length : Math.round(sample * runsFactor());
  // Small products do not all begin in the first shard.
  const isPlayed = (_: number, n: number): boolean =>
    shard === undefined ? n < wanted : (n + order[0]!) % shard.count === shard.index;
  const taken = new Set(order.filter(isPlayed));
  const counts = playedOf.get(law) ?? { played: 0, sample: 0, whole: 0 };
  counts.played += taken.size;
  counts.sample += Math.min(sample, all.length);
  counts.whole += all.length;
  playedOf.set(law, counts);
  return all.filter((_, at) => taken.has(at));
}

/** Whether what a run plays contains the sample: what the sample always shows, this run shows. */
export const containsSample = (): boolean => runsFactor() >= 1 && shardToPlay() === undefined;

/** Whether a product of that sample is played to the last case. */
export function isWhole({ sample, whole }: Required<Sample>): boolean {
  return playsLaws() ? shardToPlay() === undefined : Math.round(sample * runsFactor()) >= whole;
}

/** One line for each law since the last call: what was played, of how much. */
export function linesOfPlayed(): string[] {
  const lines = [...playedOf].map(
    ([law, { played, sample, whole }]) => `law: ${law}: ${played} of ${whole} cases played, ${sample} in the sample`,
  );
  playedOf.clear();
  return lines;
}

/** The numbers below `count` in an order of the product's own. */
function shuffled(name: string, count: number): number[] {
  const random = new RandomStreams(1).stream(name);
  const order = Array.from({ length: count }, (_, n) => n);
  for (let n = count - 1; n > 0; n--) {
    const other = random.below(n + 1);
    [order[n], order[other]] = [order[other]!, order[n]!];
  }
  return order;
}
