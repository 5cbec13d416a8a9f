// Prefetch at boot: the list round-trips through the boot module, and what it names is in the cache
// afterwards.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { prefetchFiles, prefetchList } from '../../src/workload/prefetch.ts';
import { property } from '../support/property.ts';
import { bootWorkloadGuest, type WorkloadGuest } from './guest.ts';

const SIZES = [1, 5000, 0, 300_000, 4096];

/** Reboots the guest with this boot module and runs the prefetch to its end. */
function prefetch({ testbed, guest }: WorkloadGuest, module: Uint8Array) {
  const { simulation } = testbed;
  const options = { preserve: false, cmdLine: 'cachemap=off', module };
  const { kernel } = simulation.runProcess('reboot', testbed.reboot(guest, false, options));
  const before = kernel.stats.dataPagesRead;
  simulation.runProcess('prefetch', prefetchFiles(kernel.syscalls));
  // Reading ahead does not wait for the disk: what it started is let arrive.
  simulation.run();
  return { kernel, pagesRead: kernel.stats.dataPagesRead - before, simulation };
}

property(
  'the list is the paths, less those that would break it',
  fc.array(fc.string({ unit: 'grapheme' })),
  (paths) => {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(prefetchList(paths));
    expect(text).toBe(paths.filter((path) => !path.includes('\n')).join('\n'));
  },
);

it('every file that is named is cached whole, and no other', () => {
  const machine = bootWorkloadGuest(SIZES);
  const named = [1, 3];
  const { kernel, pagesRead, simulation } = prefetch(machine, prefetchList(named.map((number) => `/${number}`)));
  expect(pagesRead).toBe(2 + Math.ceil(300_000 / 4096));
  const { syscalls } = kernel;
  const buffer = new Uint8Array(300_000);
  for (const number of named) {
    const fd = simulation.runProcess('open', syscalls.open(`/${number}`));
    expect(syscalls.readNow(fd, buffer, 0, SIZES[number]!)).toBe(SIZES[number]);
    expect(Buffer.compare(buffer.subarray(0, SIZES[number]), machine.contents[number]!)).toBe(0);
  }
  expect(kernel.stats.dataPagesRead).toBe(pagesRead);
  const other = simulation.runProcess('open', syscalls.open('/0'));
  expect(syscalls.readNow(other, buffer, 0, 1)).toBeLessThan(0);
});

it('a file that is gone, a directory and an empty list are passed over', () => {
  const machine = bootWorkloadGuest(SIZES);
  expect(prefetch(machine, prefetchList(['/gone', '/', '', '/4'])).pagesRead).toBe(1);
  expect(prefetch(bootWorkloadGuest(SIZES), prefetchList([])).pagesRead).toBe(0);
});

it('what cannot be prefetched costs no descriptor', () => {
  const machine = bootWorkloadGuest(SIZES);
  const { kernel, simulation } = prefetch(machine, prefetchList(['/', '/', '/1']));
  expect(simulation.runProcess('open', kernel.syscalls.open('/0'))).toBe(0);
});

it('a limited prefetch reads the same, no faster than its rate, and 128 KiB at a time', () => {
  const machine = bootWorkloadGuest(SIZES);
  const { simulation } = machine.testbed;
  const module = prefetchList(SIZES.map((_, number) => `/${number}`));
  const options = { preserve: false, cmdLine: 'cachemap=off', module };
  const { kernel } = simulation.runProcess('reboot', machine.testbed.reboot(machine.guest, false, options));
  const start = simulation.now;
  const before = kernel.stats.dataPagesRead;
  simulation.runProcess('prefetch', prefetchFiles(kernel.syscalls, 1e6));
  const bytes = SIZES.reduce((sum, size) => sum + size, 0);
  // It ends when the last bytes are within the rate; the disk and the calls take no second of it.
  expect((simulation.now - start) / 1e9).toBeGreaterThanOrEqual(bytes / 1e6);
  expect((simulation.now - start) / 1e9).toBeLessThan(bytes / 1e6 + 0.01);
  simulation.run();
  const { pagesRead } = prefetch(bootWorkloadGuest(SIZES), module);
  expect(kernel.stats.dataPagesRead - before).toBe(pagesRead);
});
