/** The page docs/reference/protections.md, printed from the ablations. */

import { ABLATIONS, type Ablation, NOT_SHOWN, scopeOf, withoutOf } from './ablations.ts';
import { type Scope, scopeOptions } from './options.ts';
import { search } from './search.ts';

const KINDS: readonly (readonly [Ablation['kind'], string, string])[] = [
  ['protection', 'Protections of the hypervisor', 'Each has a switch in `xen/protections.ts`.'],
  [
    'hypervisor',
    'Rules of the hypervisor',
    'No machine should run without them, so they have no switch. The lab takes them away.',
  ],
  [
    'guest',
    'Rules of the guest',
    'The guest can break them. Then the hypervisor still refuses the page, so one of its checks is off as well.',
  ],
  ['design', 'Other designs', 'What was printed or built elsewhere, as far as it goes wrong in a small machine.'],
];

/** The page, with a final newline. */
export function protectionsPage(): string {
  return `${[
    '# What each protection is for',
    '',
    'This page is generated: `UPDATE_DOCS=1 npx vitest run test/lab/scope/ablations.test.ts`.',
    '',
    'A search of all states of a small machine ([lab/scope](../../src/lab/scope/README.md)) finds, for each protection, the',
    'shortest history that goes wrong without it. With the protection on, no history of that length goes wrong in the same',
    'scope. `stillwarm check scope` plays all of them, and fails when one is no longer found in as many steps.',
    '',
    '| without | guards against, or what it is | law that breaks | steps |',
    '|---|---|---|---|',
    ...ABLATIONS.map(
      ({ name, guards, law, steps }) => `| [\`${name}\`](#${name.toLowerCase()}) | ${guards} | ${law} | ${steps} |`,
    ),
    '',
    'The laws:',
    '',
    '- takeover: a page that is taken over has the bytes of the block where it lies now.',
    '- blank: a frame that another owner gets has no bytes of the one before.',
    '- stray: a transfer reaches no frame that has changed hands since it was submitted.',
    '',
    ...KINDS.flatMap(([kind, title, text]) => [
      `## ${title}`,
      '',
      text,
      '',
      ...ABLATIONS.filter((each) => each.kind === kind).flatMap(section),
    ]),
    '## Not shown here',
    '',
    'A small scope cannot show these.',
    '',
    '| what | why |',
    '|---|---|',
    ...NOT_SHOWN.map(({ name, why }) => `| ${name} | ${why} |`),
  ].join('\n')}\n`;
}

function section(ablation: Ablation): string[] {
  const { name, kind, guards, also, law } = ablation;
  const scope = scopeOf(ablation);
  const { violation } = search(scopeOptions({ ...scope }), withoutOf(ablation).ablated, { law });
  const off = Object.entries({ ...also?.protections, ...also?.rules });
  return [
    `### ${name}`,
    '',
    `${kind === 'design' ? 'What it is' : 'Guards against'}: ${guards}.`,
    ...(also === undefined ? [] : ['', `Besides, ${off.map(wordOf).join(', ')}: ${also.why}.`]),
    '',
    ...(violation?.history ?? []).map((step, i) => `${i + 1}. ${step[0]!.toUpperCase()}${step.slice(1)}.`),
    '',
    `Then ${violation?.what ?? 'nothing is wrong'}. Scope: ${words(scope)}.`,
    '',
    '```sh',
    `stillwarm check scope --without ${name}`,
    '```',
    '',
  ];
}

const wordOf = ([name, isOn]: [string, boolean | undefined]): string =>
  `\`${name}\` is ${isOn === true ? 'on' : 'off'}`;

function words({ files, pages, frames, blocks, writers, transfers, reboots, guest, events }: Scope): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  return [
    count(files, 'file'),
    `${count(pages, 'page')} each`,
    count(frames, 'frame'),
    count(blocks, 'block'),
    count(writers, 'writer'),
    `${count(transfers, 'transfer')} at a time`,
    count(reboots, 'reboot'),
    `guest \`${guest}\``,
    ...(events.length === 0 ? [] : [`events ${events.map((event) => `\`${event}\``).join(', ')}`]),
  ].join(', ');
}
