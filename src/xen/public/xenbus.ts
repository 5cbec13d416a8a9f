/**
 * xenbus: the store through which the two halves of a device find each other, and the states that
 * they go through.
 *
 * | path, below the domain's home | written by | meaning |
 * |---|---|---|
 * | `device/vbd/0/backend` | tool stack | path of the back-end's directory, below |
 * | `device/vbd/0/ring-ref` | guest | grant of the ring page |
 * | `device/vbd/0/event-channel` | guest | port that waits for domain 0 |
 * | `device/vbd/0/state` | guest | a XenbusState |
 * | `device/vif/0/mac` | tool stack | hardware address of the network interface |
 * | `device/vif/0/tx-ring-ref`, `rx-ring-ref` | guest | grants of its two rings; the rest as of a block device |
 * | `control/shutdown` | tool stack; the guest empties it | `poweroff`, `reboot` or `suspend`: what the guest is asked for |
 * | `memory/target` | tool stack | memory that the guest is to have, KiB |
 * | back-end's `sectors` | back-end | size in 512-byte sectors |
 * | back-end's `state` | back-end | a XenbusState |
 *
 * Connecting: both are initialising → back-end initWait → front-end publishes ring and port,
 * initialised → back-end maps and binds them, connected → front-end connected. Closing: front-end
 * closing → back-end gives everything back, closing → front-end closed → back-end closed.
 *
 * Modelled after xenstore and xenbus of Xen 3.0. Differs in that messages go without a ring of
 * their own. There are no transactions, either: each side writes its state last, so none is needed.
 */

import type { Process } from '../../sim/index.ts';

/** States of an end of a device. */
export const XenbusState = {
  /** It has written nothing yet. */
  unknown: 0,
  /** It begins. */
  initialising: 1,
  /** The back-end waits for the front-end. */
  initWait: 2,
  /** The front-end has told its ring. */
  initialised: 3,
  /** Both can use the ring. */
  connected: 4,
  /** It is going. */
  closing: 5,
  /** It is gone. */
  closed: 6,
} as const;
/** A code of `XenbusState`. */
export type XenbusState = (typeof XenbusState)[keyof typeof XenbusState];

/** Directory of a domain's block device, below its home. */
export const VBD_FRONTEND = 'device/vbd/0';
/** Directory of its network interface, which not every domain has. */
export const VIF_FRONTEND = 'device/vif/0';
/** Where the tool stack asks a guest to stop, below its home. */
export const SHUTDOWN_NODE = 'control/shutdown';
/** Where it says how much memory a guest is to have. */
export const MEMORY_TARGET_NODE = 'memory/target';

/**
 * The store as a guest sees it. A path that does not begin with `/` is below the domain's home,
 * `/local/domain/DOMID`.
 */
export interface XenstoreClient {
  /** The value, or undefined when there is none. EACCES: the guest may not know. */
  read(path: string): Process<string | undefined>;
  /** EACCES: the guest may not write there. */
  write(path: string, value: string): Process;
  /** Calls `fire` once now, and after every change at or below the path. EACCES. */
  watch(path: string, fire: () => void): Process;
}
