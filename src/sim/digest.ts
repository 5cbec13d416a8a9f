/**
 * Digest of a run: a 64-bit mix of every dispatched event's time and of what the model adds (bytes
 * read, pages reused). It tells two runs apart, and is no cryptographic hash.
 */
export class Digest {
  #a = 0x9e3779b9;
  #b = 0x85ebca6b;

  /** @internal Adds an unsigned 32-bit word. */
  add(word: number): void {
    const a = Math.imul(this.#a ^ word, 0xcc9e2d51);
    const b = Math.imul(this.#b + word, 0x1b873593);
    this.#a = ((a << 15) | (a >>> 17)) ^ b;
    this.#b = ((b << 13) | (b >>> 19)) + a;
  }

  /** @internal Adds a time in ns, or any other integer below 2^53. */
  addTime(time: number): void {
    this.add(time | 0);
    this.add((time / 0x1_0000_0000) | 0);
  }

  /** @internal Adds another digest. */
  addHex(hex: string): void {
    for (let at = 0; at < hex.length; at += 8) this.add(Number.parseInt(hex.slice(at, at + 8), 16));
  }

  /** Sixteen hexadecimal digits. */
  get hex(): string {
    return [this.#a, this.#b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
