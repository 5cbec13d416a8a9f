/**
 * `stillwarm inspect`: what a dump of machine memory says about the machine. The reading is
 * xen/inspect.ts; here it is printed.
 */

import { resolve } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { counted, grouped, PAGE_SIZE, printable, printableJson } from '../base/index.ts';
import { loadMemory } from '../experiment/guest/memory-dump.ts';
import { checkOutputs } from '../experiment/guest/output-file.ts';
import { inspectMemory, type MemoryReport } from '../xen/inspect.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import type { InspectResult } from './inspect-result.ts';
import type { Io } from './kit/io.ts';
import { INSPECT } from './options.ts';
import { renderTable } from './kit/table.ts';
import { oneLine } from './kit/values.ts';

/**
 * @returns the exit status: 1 when something in the memory does not parse, else 0
 * @throws UserError
 */
export function inspect(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(INSPECT, argv);
  if (options.help) {
    io.stdout.write(commandHelp(INSPECT));
    return 0;
  }
  const path = resolve(io.cwd, positionals[0]!);
  checkOutputs([{ name: 'MEMORY.img', path }], [], io.hostStreams);
  const report = inspectMemory(loadMemory(path));
  io.stdout.write(options.json ? `${printableJson(findings(report))}\n` : renderReport(positionals[0]!, report));
  return report.problemCount === 0 ? 0 : 1;
}

/** What `--json` prints: docs/reference/inspect-schema.md. */
export function findings({ map, domains, ...report }: MemoryReport): InspectResult {
  return {
    schema: 'stillwarm/inspect@1',
    ...report,
    map: map ?? null,
    domains: domains.map(({ recencyCrc, ...domain }) => ({ ...domain, recencyCrc: recencyCrc ?? null })),
  };
}

function renderReport(path: string, { frames, domains, map, problems, problemCount }: MemoryReport): string {
  const size = prettyBytes(frames.total * PAGE_SIZE, { binary: true });
  const lines = [
    `${printable(path)}: ${counted(frames.total, 'frame')}, ${size}${map === undefined ? '' : `, ${map.arch}`}`,
  ];
  if (map !== undefined) {
    const { none, reading, clean, writing } = frames.provenance;
    lines.push(
      '',
      'Who owns the frames, and what does the hypervisor know about them?',
      renderTable(
        ['', 'frames'],
        [
          ['free', frames.free],
          ["the hypervisor's", frames.hypervisor],
          ["domains'", frames.owned],
          ['record damaged', frames.damaged],
          ['named', frames.named],
          ['preserved', frames.preserved],
          ['provenance none', none],
          ['provenance reading', reading],
          ['provenance clean', clean],
          ['provenance writing', writing],
        ],
      ),
      '',
      'Which domains are there?',
      renderTable(
        ['domain', 'name', 'pages', 'intact', 'named', 'preserved', 'reusable', 'P2M list', 'disk'],
        domains.map(({ domid, name, nrPages, pages, named, preserved, reusable, p2mIsIntact, store }) => [
          String(domid),
          oneLine(name),
          nrPages,
          pages,
          named,
          preserved,
          reusable,
          p2mIsIntact ? 'intact' : 'damaged',
          oneLine(`${store.identity}@${store.firstBlock}`),
        ]),
      ),
    );
  }
  lines.push('', problemCount === 0 ? 'no problems' : `${counted(problemCount, 'problem')}:`);
  lines.push(...problems.map((problem) => `    ${problem}`));
  if (problems.length < problemCount) lines.push(`    and ${grouped(problemCount - problems.length)} more`);
  return `${lines.join('\n')}\n`;
}
