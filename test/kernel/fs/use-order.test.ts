import { expect, it } from 'vitest';
import { UseOrder, type Used } from '../../../src/kernel/fs/use-order.ts';
import { RandomStream } from '../../../src/sim/random.ts';

interface Entry extends Used<Entry> {
  readonly name: number;
}

it('a list in the order of use agrees with a plain array after every step', () => {
  const random = new RandomStream(16);
  const order = new UseOrder<Entry>();
  /** The last used first. */
  let model: Entry[] = [];
  for (let step = 0; step < 2000; step++) {
    const entry = model[Math.floor(random.fraction() * model.length)];
    const what = random.fraction();
    if (entry === undefined || what < 0.3) {
      const added: Entry = { name: step, older: undefined, newer: undefined };
      order.add(added);
      model.unshift(added);
    } else {
      model = model.filter((other) => other !== entry);
      if (what < 0.55) order.remove(entry);
      else {
        order.use(entry);
        model.unshift(entry);
      }
    }
    expect(order.oldest).toBe(model.at(-1));
    expect(Array.from(order, ({ name }) => name)).toEqual(model.map(({ name }) => name));
  }
});
