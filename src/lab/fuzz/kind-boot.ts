/**
 * Lists of what a boot reads, damaged on a guest's disk. The guest boots in any case: with the
 * list, or without it and with a message that says why.
 */

import { BOOT_LISTS } from '../../disk/mkfs/boot-files.ts';
import { makeExt2 } from '../../disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../disk/mkfs/tree.ts';
import { Kernel } from '../../kernel/index.ts';
import { domainOf } from '../../xen/index.ts';
import { Init } from '../../workload/init.ts';
import { type Kind, must, once, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { fuzzMemory, FuzzMachine } from './machine.ts';
import { pattern } from './specimens.ts';
import { drawText, editedText, type Tokens } from './text.ts';

/** A list of the largest size that asks for the most pages of a file that ends soon. */
const MOST_EVENTS = 500_000;
const DIRECTORY = '.stillwarm-boot';
const FILES = 4;
const FILE_BYTES = 40_000;

const WORDS = [
  ...['0', '1', '65536', '65537', '99999999', '100000000', '-1', '1.5', '', ' ', '\n', '\n\n', '/', '/..', '/nowhere'],
  ...[`/${DIRECTORY}`, `/${DIRECTORY}/000/x`, '/'.repeat(5000), 'x'.repeat(300), '0 1 /', '0 65535 /', '4294967296'],
  `0 1 /${DIRECTORY}/001\n`.repeat(100),
] as const;

const nameOf = (n: number): string => String(n).padStart(3, '0');
const line = (first: number, pages: number, n: number): string[] => [
  String(first),
  ' ',
  String(pages),
  ' ',
  `/${DIRECTORY}/${nameOf(n)}`,
  '\n',
];

export function bootKind(): Kind {
  const memory = once(fuzzMemory);
  const texts: Tokens[] = [
    [0, 1, 2, 3].flatMap((n) => line(n, 4, n)),
    [3, 1, 3, 0, 2, 1].flatMap((n, i) => line(i, 1 + n, n)),
  ];
  const contents = Array.from({ length: FILES }, (_, n) => pattern(FILE_BYTES, n));
  return {
    name: 'boot',
    cases: 250,
    reasons: ['line N is damaged', 'its last line has no end', 'it asks for more than N pages', 'some reads failed'],
    draw: (random) => drawText(random, texts, WORDS),
    play: (fuzzCase) => {
      const list = editedText(fuzzCase, texts);
      const entries = contents.map((bytes, n) => [nameOf(n), file(bytes)] as const);
      const image = makeExt2(tree(directory([[DIRECTORY, directory([...entries, ['start', file(list)]])]])));
      return boot(new FuzzMachine(image, memory(), MOST_EVENTS), contents);
    },
  };
}

function boot(machine: FuzzMachine, contents: readonly Uint8Array[]): Verdict {
  const domain = machine.run(domainOf(machine.toolstack.createDomain(machine.config)));
  const init = new Init(BOOT_LISTS, (path, _ino, position, bytes, buffer) => {
    const content = contents[Number(path.slice(-3))];
    if (content === undefined || !path.endsWith(`${DIRECTORY}/${path.slice(-3)}`)) return;
    const isRight = content.subarray(position, position + bytes).every((byte, i) => byte === buffer[i]);
    must('what is read is what is in the file', isRight, () => `${path} at ${position}`);
  });
  const kernel = machine.run(Kernel.boot(domain.environment, machine.guestCosts, undefined, init));
  const events = machine.simulation.eventCount;
  const said = kernel.messages.map(({ text }) => /^init: \S+: (.*?)(?:: nothing is read)?$/.exec(text)?.[1]);
  const reason = said.find((each) => each !== undefined);
  if (reason === undefined) return { ...TAKEN, events };
  return refusedFor(/^\d+ of \d+ reads failed$/.test(reason) ? 'some reads failed' : reason, events);
}
