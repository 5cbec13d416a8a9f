/**
 * The front-end's half of the connection of a device (drivers/xen/xenbus of 2.6.12-xen):
 * xen/public/xenbus.ts has the states.
 */

import { WaitQueue, type Process } from '../../sim/index.ts';
import { XenbusState, type XenstoreClient } from '../../xen/public/index.ts';

/**
 * Publishes rings and port in the device's directory and waits until the back-end has them. Returns
 * the back-end's directory, or undefined when there is none, or it closes the device.
 */
export function* connectToBackend(
  xenstore: XenstoreClient,
  directory: string,
  published: Readonly<Record<string, number>>,
): Process<string | undefined> {
  for (const [name, value] of Object.entries(published)) yield* xenstore.write(`${directory}/${name}`, String(value));
  yield* xenstore.write(`${directory}/state`, String(XenbusState.initialised));
  const backend = yield* xenstore.read(`${directory}/backend`);
  if (backend === undefined) return undefined;
  // A change that comes while the state is read is not missed.
  const changed = new WaitQueue(() => `the back-end of ${directory}`);
  let changes = 0;
  yield* xenstore.watch(`${backend}/state`, () => {
    changes++;
    changed.wakeAll();
  });
  for (;;) {
    const seen = changes;
    const state = Number(yield* xenstore.read(`${backend}/state`));
    if (state === XenbusState.connected) return backend;
    if (state === XenbusState.closing || state === XenbusState.closed) return undefined;
    while (changes === seen) yield changed;
  }
}

/** Says that the front-end is connected, too. */
export function* tellConnected(xenstore: XenstoreClient, directory: string): Process {
  yield* xenstore.write(`${directory}/state`, String(XenbusState.connected));
}
