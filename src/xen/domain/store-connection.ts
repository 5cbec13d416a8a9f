/**
 * Domain 0's end of a domain's connection to the store: what the domain may read and write, and how
 * much of it.
 *
 * A guest may read its own home and its back-ends' directories, and write below its own `device`
 * and `control`. Its requests are bounded as in xenstored: the length of a message, the entries and
 * the watches of a domain.
 */

import { ModelError } from '../../base/errno.ts';
import type { DomId, Ns } from '../../base/units.ts';
import { homeOf, type Xenstore } from '../channels/xenstore.ts';
import { backendsOf } from '../devices/xenbus-backend.ts';

/** XENSTORE_PAYLOAD_MAX: bytes of a message. */
const STORE_PAYLOAD_MAX = 4096;
/** quota_nb_entry_per_domain and quota_nb_watch_per_domain of xenstored. */
const STORE_ENTRIES_MAX = 1000;
const STORE_WATCHES_MAX = 128;

export class StoreConnection {
  readonly #store: Xenstore;
  readonly #domid: DomId;
  readonly #name: string;
  #watches = 0;

  constructor(store: Xenstore, domid: DomId, name: string) {
    this.#store = store;
    this.#domid = domid;
    this.#name = name;
  }

  /** False once domain 0 has gone down. */
  get isServing(): boolean {
    return this.#store.isServing;
  }

  /** How long it takes to serve everything that the store was sent until now. */
  get backlog(): Ns {
    return this.#store.backlog;
  }

  /** The whole path. @throws ModelError EINVAL; EACCES when the domain may not read it */
  readable(path: string): string {
    const whole = this.#resolve(path);
    const readable = [homeOf(this.#domid), backendsOf(this.#domid, 'vbd'), backendsOf(this.#domid, 'vif')];
    if (readable.some((directory) => whole.startsWith(`${directory}/`))) return whole;
    throw new ModelError('EACCES', `${this.#name} may not read ${whole}`);
  }

  /** The whole path. @throws ModelError EINVAL; EACCES when the domain may not write it */
  writable(path: string, value: string): string {
    const whole = this.#resolve(path);
    const home = homeOf(this.#domid);
    if (!['device', 'control'].some((own) => whole.startsWith(`${home}/${own}/`)))
      throw new ModelError('EACCES', `${this.#name} may not write ${whole}`);
    if (typeof value !== 'string' || whole.length + value.length > STORE_PAYLOAD_MAX)
      throw new ModelError('EINVAL', 'a message that is too long or not text');
    return whole;
  }

  read(whole: string): string | undefined {
    return this.#store.read(whole);
  }

  /** @throws ModelError ENOSPC */
  write(whole: string, value: string): void {
    if (this.#store.read(whole) === undefined && this.#store.entriesOf(this.#domid) >= STORE_ENTRIES_MAX)
      throw new ModelError('ENOSPC', `${this.#name} has as many entries in the store as it may have`);
    this.#store.write(whole, value);
  }

  /**
   * Returns what takes the watch away.
   * @throws ModelError ENOSPC
   */
  watch(whole: string, fire: () => void): () => void {
    if (this.#watches === STORE_WATCHES_MAX)
      throw new ModelError('ENOSPC', `${this.#name} has as many watches as it may have`);
    this.#watches++;
    return this.#store.watch(whole, fire);
  }

  #resolve(path: string): string {
    if (typeof path !== 'string' || path.length > STORE_PAYLOAD_MAX)
      throw new ModelError('EINVAL', 'a path that is too long or not text');
    return path.startsWith('/') ? path : `${homeOf(this.#domid)}/${path}`;
  }
}
