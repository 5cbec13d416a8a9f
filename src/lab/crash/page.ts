/** The part of docs/reference/protections.md that the crash lab has, printed from its ablations. */

import { CRASH_ABLATIONS, type CrashAblation, lineOf, NOT_CRASHED } from './ablations.ts';
import { LAWS } from './laws.ts';
import { shownMoments } from './options.ts';

/** The part, with a final newline. */
export function crashAblationsPage(): string {
  return `${[
    '# In the crash lab',
    '',
    'A workload on a whole machine stops before one of its steps, and a law breaks that holds there with the protection on',
    '([lab/crash](../../src/lab/crash/README.md)). It is the first step at which it does. Each case is a file of',
    'the corpus (`data/corpus`), and CI plays it, with the protection and without.',
    '',
    '| without | guards against | workload | what stops, before which step | law that breaks |',
    '|---|---|---|---|---|',
    ...CRASH_ABLATIONS.map((each) => {
      const { name, guards, workload, fs, kind, at, law } = each;
      return `| [\`${name}\`](#${anchorOf(each)})${pairOf(each)} | ${guards} | \`${workload}\`, ${fs} | ${kind}, ${shownMoments(at)} | ${LAWS[law]} |`;
    }),
    '',
    ...CRASH_ABLATIONS.flatMap(section),
    '## Not shown by crashes',
    '',
    'No step of these workloads is wrong without them. All are shown above.',
    '',
    '| what | why |',
    '|---|---|',
    ...NOT_CRASHED.map(({ name, why }) => `| ${name} | ${why} |`),
  ].join('\n')}\n`;
}

const pairOf = ({ also }: CrashAblation): string => (also === undefined ? '' : ` with \`${also.name}\``);
const titleOf = ({ name }: CrashAblation): string => `${name}, by a crash`;
const anchorOf = (ablation: CrashAblation): string =>
  titleOf(ablation)
    .toLowerCase()
    .replace(/[^a-z ]/g, '')
    .replaceAll(' ', '-');

function section(ablation: CrashAblation): string[] {
  const { guards, also, what, at } = ablation;
  return [
    `## ${titleOf(ablation)}`,
    '',
    `Guards against: ${guards}.`,
    ...(also === undefined
      ? []
      : ['', `Besides, \`${also.name}\` is off: ${also.why}. With one of the two on, nothing is wrong.`]),
    ...(at.length < 2 ? [] : ['', 'The second step is one of the recovery.']),
    '',
    `Then: ${what}.`,
    '',
    '```sh',
    lineOf(ablation),
    '```',
    '',
  ];
}
