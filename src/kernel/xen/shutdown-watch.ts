/**
 * What the tool stack asks of the guest through the store: to suspend, reboot or power off
 * (drivers/xen/core/reboot.c of 2.6.12-xen).
 *
 * Requests are served one after the other, as by the one thread that serves all watches there.
 * However often the watch fires, a request is served once: it is taken off its node first.
 */

import type { Process, Task } from '../../sim/index.ts';
import { SHUTDOWN_NODE, ShutdownReason, type GuestEnvironment } from '../../xen/public/index.ts';
import type { SuspendableDriver, Suspension } from './suspend.ts';

/** The kernel, as far as it can be asked to end. */
export interface Shutdown {
  shutdown(reason: ShutdownReason): Process<unknown>;
}

export class ShutdownWatch implements SuspendableDriver {
  readonly #env: GuestEnvironment;
  readonly #suspension: Suspension;
  readonly #kernel: Shutdown;
  /** The watch has fired since the node was last read. */
  #isAsked = false;
  /** Serves the requests. */
  #xenwatch: Task | undefined;
  /** It is talking to the store. */
  #isTalking = false;

  constructor(env: GuestEnvironment, suspension: Suspension, kernel: Shutdown) {
    this.#env = env;
    this.#suspension = suspension;
    this.#kernel = kernel;
  }

  /**
   * The store is gone. Nothing waits any more for what was asked through it, and a message that was
   * under way does not go to the next store.
   */
  disconnected(): void {
    this.#isAsked = false;
    if (!this.#isTalking) return;
    this.#isTalking = false;
    this.#xenwatch?.kill();
    this.#xenwatch = undefined;
  }

  /** Watches the node. */
  *connect(): Process {
    yield* this.#env.xenstore.watch(SHUTDOWN_NODE, () => {
      this.#isAsked = true;
      this.#xenwatch ??= this.#env.spawn('xenwatch', this.#serveRequests());
    });
  }

  *#serveRequests(): Process {
    while (this.#isAsked) {
      this.#isAsked = false;
      const request = yield* this.#takeRequest();
      if (request === 'suspend') yield* this.#suspension.run();
      else if (request !== undefined) {
        yield* this.#kernel.shutdown(ShutdownReason[request]);
        return;
      }
    }
    this.#xenwatch = undefined;
  }

  *#takeRequest(): Process<'poweroff' | 'reboot' | 'suspend' | undefined> {
    const { xenstore } = this.#env;
    this.#isTalking = true;
    const request = yield* xenstore.read(SHUTDOWN_NODE);
    const isKnown = request === 'poweroff' || request === 'reboot' || request === 'suspend';
    if (isKnown) yield* xenstore.write(SHUTDOWN_NODE, '');
    this.#isTalking = false;
    return isKnown ? request : undefined;
  }
}
