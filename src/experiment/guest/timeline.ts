/**
 * Throughput over time: bytes that arrived, in buckets of 100 ms. Buckets begin with a run, and the
 * last one ends with it.
 */

import type { Sample } from './result.ts';

/** Width of a bucket, ns. */
const BUCKET_NS = 100_000_000;

export class Timeline {
  readonly #samples: { startNs: number; ns: number; bytes: number }[] = [];
  #runStart = 0;
  #current = -1;

  /** A run begins. */
  begin(now: number): void {
    this.#runStart = now;
    this.#current = -1;
  }

  /** `bytes` have arrived at `now`. */
  add(now: number, bytes: number): void {
    const bucket = Math.floor((now - this.#runStart) / BUCKET_NS);
    while (this.#current < bucket) {
      this.#current++;
      this.#samples.push({ startNs: this.#runStart + this.#current * BUCKET_NS, ns: BUCKET_NS, bytes: 0 });
    }
    this.#samples.at(-1)!.bytes += bytes;
  }

  /** The run ends. */
  end(now: number): void {
    const last = this.#samples.at(-1);
    if (this.#current >= 0 && last !== undefined && now > last.startNs)
      last.ns = Math.min(BUCKET_NS, now - last.startNs);
  }

  /** All samples, with time 0 at `origin`. */
  samples(origin: number): Sample[] {
    return this.#samples.map(({ startNs, ns, bytes }) => ({ startNs: startNs - origin, ns, bytes }));
  }
}
