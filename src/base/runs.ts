/**
 * Splits a list into runs of consecutive places. Equal places are in one run.
 * @param items in ascending order of `placeOf`
 * @param most places in a run, at least 1
 */
export function runsOf<T>(items: readonly T[], placeOf: (item: T) => number, most: number): T[][] {
  const runs: T[][] = [];
  for (const item of items) {
    const run = runs.at(-1);
    const place = placeOf(item);
    const follows = run !== undefined && place - placeOf(run.at(-1)!) <= 1 && place - placeOf(run[0]!) < most;
    if (follows) run.push(item);
    else runs.push([item]);
  }
  return runs;
}
