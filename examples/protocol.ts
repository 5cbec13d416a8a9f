/**
 * A protocol of two copies: a writer keeps a record in two slots, so that one of them is whole
 * whenever the power goes. A slot has two halves, which are written one after the other, and a mark
 * that says that both are there. The fault marks the slot first.
 *
 * The search goes through all states, and finds the shortest way to a record that is lost.
 */

// In a project of your own: from 'stillwarm/protocol'.
import { checkProtocol, protocol } from '../src/lab/protocol/index.ts';

interface Slot {
  left: number;
  right: number;
  marked: boolean;
}

interface State {
  /** On the disk. */
  slots: Slot[];
  /** In memory: what is written, 0 for nothing, and the step of the writer. */
  version: number;
  at: 'idle' | 'left' | 'right' | 'mark';
}

const VERSIONS = 3;
/** What a reader finds after a crash: the newest slot that is marked. */
const found = ({ slots }: Readonly<State>): Slot | undefined =>
  slots.filter(({ marked }) => marked).sort((a, b) => b.left - a.left)[0];

export const TWO_SLOTS = protocol<State, 'marked first'>({
  name: 'two slots',
  what: 'A record in two slots: the older one is written anew, half by half, and marked.',
  faults: {
    'marked first': { what: 'The slot is marked before its halves are there.', breaks: 'a record is whole', within: 2 },
  },
  build: (has) => ({
    initial: {
      slots: [
        { left: 0, right: 0, marked: true },
        { left: 0, right: 0, marked: false },
      ],
      version: 0,
      at: 'idle',
    },
    actors: {
      writer: {
        begin: {
          when: ({ at, version }) => at === 'idle' && version < VERSIONS,
          do: (state) => {
            state.version += 1;
            state.at = 'left';
            const slot = state.slots[state.version % 2]!;
            slot.marked = has('marked first');
          },
        },
        'write left': {
          when: ({ at }) => at === 'left',
          do: (state) => {
            state.slots[state.version % 2]!.left = state.version;
            state.at = 'right';
          },
        },
        'write right': {
          when: ({ at }) => at === 'right',
          do: (state) => {
            state.slots[state.version % 2]!.right = state.version;
            state.at = 'mark';
          },
        },
        mark: {
          when: ({ at }) => at === 'mark',
          do: (state) => {
            state.slots[state.version % 2]!.marked = true;
            state.at = 'idle';
          },
        },
      },
    },
    events: {
      'power cut': {
        survives: ['slots'],
        then: (state) => {
          state.version = found(state)?.left ?? 0;
        },
      },
    },
    laws: {
      always: {
        'a record is there': (state) => found(state) !== undefined,
        'a record is whole': (state) => {
          const slot = found(state);
          return slot === undefined || slot.left === slot.right;
        },
      },
      sometimes: { 'the last version is there': (state) => found(state)?.right === VERSIONS },
      done: ({ at, version }) => at === 'idle' && version === VERSIONS,
    },
  }),
});

/** Each row: the fault, how many states there are, and the shortest way to what it breaks. */
export const checked = (): { fault: string; verdict: string; states: number; steps: string[] }[] =>
  checkProtocol(TWO_SLOTS).map(({ fault, verdict, outcome }) => ({
    fault,
    verdict,
    states: outcome.states,
    steps: (outcome.counterexample?.steps ?? []).map(({ step }) => step),
  }));
