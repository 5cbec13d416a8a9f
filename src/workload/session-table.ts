/**
 * A server's table of sessions: the users that are logged in, and how many requests each has made.
 * It lies in the memory of its program, and is gone with the kernel. With a recovery box each
 * change is kept there too, and the next program goes on with it (as in Baker and Sullivan's
 * example). It uses nothing but system calls.
 */

import { ModelError } from '../base/errno.ts';
import type { Syscalls } from '../kernel/syscall/syscalls.ts';

export interface Session {
  readonly user: number;
  readonly requests: number;
}

export class SessionTable {
  readonly #sys: Syscalls;
  readonly #isKept: boolean;
  readonly #sessions = new Map<number, Session>();

  /** @param isKept whether it is kept in the recovery box; sessions in the box are taken over */
  constructor(sys: Syscalls, isKept: boolean) {
    this.#sys = sys;
    this.#isKept = isKept;
    if (!isKept) return;
    for (const id of sys.boxKeys()) {
      const session = decode(sys.boxGet(id));
      if (session !== undefined) this.#sessions.set(id, session);
    }
  }

  get sessions(): ReadonlyMap<number, Session> {
    return this.#sessions;
  }

  /** A user logs in. Returns false when there is no room for another session. */
  login(id: number, user: number): boolean {
    return this.#set(id, { user, requests: 0 });
  }

  /**
   * A request of a session. Returns how many requests it has made; undefined for an unknown
   * session, whose user must log in.
   */
  request(id: number): number | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    const requests = session.requests + 1;
    this.#set(id, { ...session, requests });
    return requests;
  }

  logout(id: number): void {
    this.#sessions.delete(id);
    if (this.#isKept) this.#sys.boxRemove(id);
  }

  /** Changed in the box first, so that what a client was told is never forgotten. */
  #set(id: number, session: Session): boolean {
    if (this.#isKept)
      try {
        this.#sys.boxPut(id, encode(session));
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        return false;
      }
    this.#sessions.set(id, session);
    return true;
  }
}

const encode = ({ user, requests }: Session): Uint8Array => new Uint8Array(Uint32Array.of(user, requests).buffer);

/** Undefined for bytes that `encode` did not make. */
function decode(bytes: Uint8Array | undefined): Session | undefined {
  if (bytes?.length !== 8) return undefined;
  const [user, requests] = new Uint32Array(bytes.slice().buffer);
  return { user: user!, requests: requests! };
}
