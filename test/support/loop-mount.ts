// The kernel of this machine as a judge: it mounts an image from a file. That needs root and loop
// devices, which a sandbox often lacks: then the test is skipped with the reason, in CI too. Its
// name ends in MOUNTS, by which tools/closing-line.mjs knows the only tests that may be skipped
// there.
import { mkdirSync } from 'node:fs';
import { it } from 'vitest';
import { findE2fsprogs, inTemporaryDirectory, type Judge, run } from './e2fsprogs.ts';
import { TIMEOUT_MS } from './property.ts';

const MOUNTS = '(mounts)';

/** Why this machine's kernel mounts no ext3 from a file; undefined: it does. */
function whyNot(): string | undefined {
  const tools = findE2fsprogs();
  if (tools === undefined) return 'e2fsprogs is not installed';
  return inTemporaryDirectory((dir) => {
    try {
      run(tools.mke2fs, '-q', '-F', '-t', 'ext3', '-b', '4096', `${dir}/probe.img`, '16384');
      withMounted(`${dir}/probe.img`, `${dir}/mounted`, () => undefined);
      return undefined;
    } catch (error) {
      return `no mount of an image here: ${String(error).split('\n').slice(0, 2).join(' ')}`;
    }
  });
}

/** `it`, skipped with the reason where the kernel mounts no image. */
export function itWithLoopMount(name: string, test: (judge: Judge) => void): void {
  it(`${name} ${MOUNTS}`, { timeout: TIMEOUT_MS }, ({ task, skip }) => {
    const reason = whyNot();
    if (reason !== undefined) skip(reason);
    else inTemporaryDirectory((dir) => test({ ...findE2fsprogs()!, dir, where: { name, file: task.file.name } }));
  });
}

/** Mounts an image at a new directory, calls `use`, and unmounts it. */
export function withMounted(image: string, at: string, use: () => void): void {
  mkdirSync(at, { recursive: true });
  run('mount', '-o', 'loop', image, at);
  try {
    use();
  } finally {
    run('umount', at);
  }
}
