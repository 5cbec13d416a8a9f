// A check that costs nothing, for the tests of what is around the checks. They play it in this
// process, and in the threads of a program that begins with `start` of src/cli/program.ts.
//
// `--cases N` is how many there are. `--wrong LIST` are the cases that break a law. The other
// options say what else is to happen in a case. The environment variable DOUBLE_DIES_OF names a
// case of which the whole process dies, as one does that a host runs out of memory for.

import { InputError } from '../../../src/base/index.ts';

/** @typedef {import('../../../src/cli/check/entry.ts').CheckEntry} CheckEntry */
/** @typedef {import('../../../src/lab/part.ts').PartResult} PartResult */

/** @param {number} n */
const scrambled = (n) => Math.imul(n + 1, 0x9e37_79b1) >>> 20;

/** @param {unknown} options */
const asked = (options) =>
  /** @type {{ cases: number, wrong: string, hang: number, weigh: number, missed: boolean, mistake?: number, refused?: number }} */ (
    options
  );

const DOUBLE = {
  name: 'double',
  /** @param {unknown} options */
  count: (options) => asked(options).cases,
  /** @type {import('../../../src/lab/check.ts').Check['play']} */
  play: (part, progress) => {
    const { wrong, hang, weigh, missed, mistake, refused } = asked(part.options);
    const wrongs = wrong.split(',').map(Number);
    let [sum, even] = [0, 0];
    const violations = [];
    let done = 0;
    for (let at = part.from; at < part.to && progress(done); at++, done++) {
      if (at === hang) for (;;);
      if (process.env['DOUBLE_DIES_OF'] === `${at}`) process.kill(process.pid, 'SIGKILL');
      if (at === mistake) throw new InputError(`case ${at}: a mistake`);
      if (at === refused) throw new RangeError('Array buffer allocation failed');
      if (weigh > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, weigh);
      sum += scrambled(at);
      if (at % 2 === 0) even++;
      for (const law of ['second law', 'first law'])
        if (wrongs.includes(at))
          violations.push({ at, law, what: `<${at}> & "more"`, replay: `play ${at}`, history: ['one', 'two\u0001'] });
    }
    return {
      part,
      done,
      counts: { sum, states: 2 * done },
      reached: { even, ...(missed ? { 'the moon': 0 } : {}) },
      violations,
    };
  },
};

/**
 * A case for each value that the program yields. It breaks a law when the value is negative.
 * @param {import('../../../src/doors/machine/index.ts').Program} program
 * @returns {import('../../../src/lab/check.ts').Check}
 */
const doubleOf = (program) => {
  const values = () => {
    const process = program(/** @type {never} */ ({}));
    return [.../** @type {Iterable<number>} */ (/** @type {unknown} */ (process))];
  };
  return {
    name: 'double',
    count: () => values().length,
    play: (part, progress) => {
      const all = values();
      const violations = [];
      let done = 0;
      for (let at = part.from; at < part.to && progress(done); at++, done++)
        if ((all[at] ?? 0) < 0)
          violations.push({ at, law: 'not negative', what: `${all[at]}`, replay: '', history: [] });
      const sum = all.slice(part.from, part.from + done).reduce((total, value) => total + value, 0);
      return { part, done, counts: { sum }, reached: {}, violations };
    },
  };
};

/**
 * @param {typeof import('../../../src/cli/check/options.ts').RUNNING} running
 * @param {ReturnType<typeof import('../../../src/cli/check/options.ts').workloadOptions>}
 * [ofWorkloads] with them it takes a user's program
 * @returns {CheckEntry}
 */
export const doubleEntry = (running, ofWorkloads) => {
  /** @param {unknown} value @param {(text: string) => unknown} parse */
  const option = (value, parse) => ({
    value: 'X',
    help: '',
    /** @param {string} _ @param {string} text */
    parse: (_, text) => parse(text),
    otherwise: { value, words: '' },
  });
  return {
    spec: {
      name: 'check double',
      positionals: [],
      summary: 'a double',
      options: /** @type {CheckEntry['spec']['options']} */ ({
        cases: option(10, Number),
        wrong: option('-1', String),
        hang: option(-1, Number),
        weigh: option(0, Number),
        mistake: option(undefined, Number),
        missed: { help: '', parse: () => true, otherwise: { value: false, words: '' } },
        ...running,
        ...ofWorkloads,
      }),
    },
    unit: { one: 'case' },
    least: 1,
    partBytes: 1 << 20,
    optionsOf: ({ cases, wrong, hang, weigh, missed, mistake }) => ({ cases, wrong, hang, weigh, missed, mistake }),
    checkOf: (program) => (program === undefined ? DOUBLE : doubleOf(program)),
  };
};
