// Histories as a search for a broken law gives them: one as it is, and one that is as hard to draw
// as can be.
import type { History } from '../../src/report/history.ts';

/** A file that is handed over to the next kernel, with a flag that is set too early. */
export const HANDED_OVER: History = {
  protocol: 'a file that is handed over by kexec',
  faults: ['dirty-sampled-early'],
  law: 'what was written is there',
  initial: {
    file: { pages: ['a', 'b'], dirty: [false, false] },
    kernel: { phase: 'running', pid: 7 },
    record: null,
    disk: ['a', 'b'],
  },
  steps: [
    {
      ...{ actor: 'old kernel', step: 'preserve', isEvent: false },
      state: {
        file: { pages: ['a', 'b'], dirty: [false, false] },
        kernel: { phase: 'preserving', pid: 7 },
        record: { frames: [0, 1], dirty: [false, false] },
        disk: ['a', 'b'],
      },
    },
    {
      ...{ actor: 'program', step: 'write page 1', isEvent: false },
      state: {
        file: { pages: ['a', 'B'], dirty: [false, true] },
        kernel: { phase: 'preserving', pid: 7 },
        record: { frames: [0, 1], dirty: [false, false] },
        disk: ['a', 'b'],
      },
    },
    {
      ...{ actor: '', step: 'kexec', isEvent: true },
      state: {
        file: null,
        kernel: { phase: 'booting' },
        record: { frames: [0, 1], dirty: [false, false] },
        disk: ['a', 'b'],
      },
    },
    {
      ...{ actor: 'new kernel', step: 'retrieve', isEvent: false },
      state: {
        file: { pages: ['a', 'B'], dirty: [false, false] },
        kernel: { phase: 'booting' },
        record: { frames: [0, 1], dirty: [false, false] },
        disk: ['a', 'b'],
      },
    },
    {
      ...{ actor: 'new kernel', step: 'look again', isEvent: false },
      state: {
        file: { pages: ['a', 'B'], dirty: [false, false] },
        kernel: { phase: 'booting' },
        record: { frames: [0, 1], dirty: [false, false] },
        disk: ['a', 'b'],
      },
    },
    {
      ...{ actor: 'reclaim', step: 'drop clean page 1', isEvent: false },
      state: {
        file: { pages: ['a', 'b'], dirty: [false, false] },
        kernel: { phase: 'running' },
        record: null,
        disk: ['a', 'b'],
      },
    },
  ],
  replay: 'stillwarm check protocol memfd.ts --fault dirty-sampled-early',
};

/** One that ends in a deadlock, of a state without parts. */
export const STUCK: History = {
  protocol: 'a file that is handed over by kexec',
  faults: [],
  law: 'deadlock',
  initial: 1,
  steps: [{ actor: 'old kernel', step: 'wait', isEvent: false, state: 2 }],
  replay: 'stillwarm check protocol memfd.ts --no-fault',
};

const EVIL = `<img src=x onerror="alert(1)"></script><script>alert('2')</script>&amp;\u202e`;

/** Names that are markup, or endless, or empty; 200 steps of many actors; a deep state. */
export const HOSTILE: History = {
  protocol: `${EVIL} ${'long'.repeat(60)}`,
  faults: [EVIL, 'x'.repeat(300)],
  law: `${EVIL} ${'law'.repeat(100)}`,
  initial: hostileState(0),
  steps: Array.from({ length: 200 }, (_, n) => ({
    actor: n % 12 === 0 ? EVIL : n % 12 === 1 ? '誰'.repeat(40) : `${'actor'.repeat(n % 9)} ${n % 12}`,
    step: n % 7 === 0 ? EVIL : n % 7 === 1 ? 'step'.repeat(80) : n % 7 === 2 ? '' : `step ${n}`,
    isEvent: n % 11 === 10,
    state: hostileState(n + 1),
  })),
  replay: `stillwarm check protocol '${EVIL}' ${'--states 1'.repeat(60)}`,
};

function hostileState(n: number): History['initial'] {
  let deep: History['initial'] = { [EVIL]: n };
  for (let depth = 0; depth < 20; depth++) deep = depth % 2 === 0 ? { [`level ${depth}`]: deep } : [deep, depth];
  return {
    [EVIL]: EVIL,
    deep,
    text: 'y'.repeat(n < 100 ? 900 : 901),
    ['__proto__']: 'a name of every object',
    '': { '': n % 3, ' ': null, '0': [], constructor: n },
    list: Array.from({ length: n % 9 }, (_, each) => each * n),
    ...(n % 2 === 0 ? { now: { and: 'then' } } : {}),
  };
}
