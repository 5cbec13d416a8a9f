/**
 * What a user waits for: whole commands with their defaults, on as many threads as the host has
 * cores. Each is a process of its own and runs once. A goal is that of two cores with nothing else
 * to do, which only such a host can meet or miss.
 */

import { execFileSync } from 'node:child_process';
import { elapsedNs, type Row } from './harness.ts';
import { scaledTarget } from './reference.ts';

const COMMANDS: readonly {
  readonly what: string;
  readonly argv: readonly [string, ...string[]];
  readonly s: number;
}[] = [
  { what: 'stillwarm reboot', argv: ['node', 'dist/cli/main.js', 'reboot'], s: 4 },
  { what: 'npm start, when it has been built', argv: ['npm', 'start'], s: 8 },
  { what: 'stillwarm vmm-reboot, both series', argv: ['node', 'dist/cli/main.js', 'vmm-reboot'], s: 45 },
];

/** To be run in the directory of the package. */
export function commands(): Row[] {
  execFileSync('node', ['tools/build.mjs'], { stdio: 'inherit' });
  return COMMANDS.map(({ what, argv: [file, ...args], s }) => {
    const figure = elapsedNs(() => execFileSync(file, args, { stdio: 'ignore' })) / 1e9;
    const { target, here } = scaledTarget(s, 's', 'lower');
    return { what, figure, unit: 's', target, met: figure <= here };
  });
}
