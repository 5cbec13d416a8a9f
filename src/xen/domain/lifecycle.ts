/**
 * The life of a domain: the state that it is in, and whether an operation may begin. It alone
 * decides this. Tool stack, daemon, save, restore, migration, suspension and reboot ask it before
 * they touch a domain, and each ends with an outcome.
 *
 * One operation at a time works on a domain. It holds the domain from its beginning to its end,
 * also while it waits. A second one meanwhile is refused, with the reason. The guest does not ask:
 * it may stop or suspend itself at any instant at which it runs, held or not. The operation then
 * finds the domain stopped or suspended when it goes on.
 *
 * ```
 * state            guest                        event → state
 * absent           none                         create, restore → building
 * frozen           left suspended by another    resume → building · destroy → dying
 *                  hypervisor
 * kept             none; its cache was kept     boot → building · destroy → dying
 * building         none yet; held               built → running · keep → kept · gone → absent
 * running          runs                         save, migrate, suspend, reboot, destroy → running-held
 *                                               balloon, shutdown, pause, unpause → running
 *                                               stop → shutdown · stand → suspended
 * running-held     runs                         pause, unpause, log, unlog → running-held
 *                                               end → running · kill → dying
 *                                               stop → shutdown-held · stand → suspended-held
 * suspended        stands still                 resume, reboot, destroy → suspended-held
 * suspended-held   stands still                 unlog → suspended-held · end → suspended · kill → dying
 * shutdown         has stopped itself           reboot, leave, destroy → shutdown-held
 * shutdown-held    has stopped itself           unlog → shutdown-held · end → shutdown · kill → dying
 * dying            taken down; held             rebuild → building · keep → kept · gone → absent
 * ```
 *
 * What is not in the table is illegal: an operation is refused, and anything else is a defect of
 * the caller. `restore` brings a domain from elsewhere: from a file, or by a migration that
 * arrives. `shutdown` asks the guest to stop, `stop` is when it does; a crash is a `stop` without a
 * request. The holder of a domain that runs may have its stores logged (`log`), and ends that
 * before it lets the domain go (`unlog`).
 *
 * Modelled after what xend of Xen 3.0 keeps in its domain list, and the lock that it takes for an
 * operation on a domain. Differs in that a second operation is refused, where xend's waits for the
 * lock.
 */

import { checkObject } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { DONE, type Err, err, type Result } from '../../base/result.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';

/** States of the life of a domain. */
export const LIFE_STATES = [
  'absent',
  'frozen',
  'kept',
  'building',
  'running',
  'running-held',
  'suspended',
  'suspended-held',
  'shutdown',
  'shutdown-held',
  'dying',
] as const;
/** A state of the life of a domain. */
export type LifeState = (typeof LIFE_STATES)[number];

/** Operations that may be asked of a domain, and the name under which each is under way. */
export const OPERATIONS = {
  create: 'created',
  destroy: 'destroyed',
  save: 'saved',
  restore: 'restored',
  migrate: 'migrated',
  suspend: 'suspended',
  resume: 'resumed',
  reboot: 'rebooted',
  boot: 'booted',
  leave: 'taken down',
  balloon: 'resized',
  shutdown: 'asked to stop',
  pause: 'paused',
  unpause: 'unpaused',
} as const;
/** Name of an operation. */
export type Operation = keyof typeof OPERATIONS;

/** What the guest does by itself. */
export const GUEST_EVENTS = ['stop', 'stand'] as const;
/** What the holder of a domain does with it. */
export const STEPS = ['built', 'log', 'unlog', 'end', 'kill', 'rebuild', 'keep', 'gone'] as const;

/** What leads from a state to another. */
export type LifeEvent = Operation | (typeof GUEST_EVENTS)[number] | (typeof STEPS)[number];

const EDGES: Readonly<Record<LifeState, Readonly<Partial<Record<LifeEvent, LifeState>>>>> = {
  absent: { create: 'building', restore: 'building' },
  frozen: { resume: 'building', destroy: 'dying' },
  kept: { boot: 'building', destroy: 'dying' },
  building: { built: 'running', keep: 'kept', gone: 'absent' },
  running: {
    save: 'running-held',
    migrate: 'running-held',
    suspend: 'running-held',
    reboot: 'running-held',
    destroy: 'running-held',
    balloon: 'running',
    shutdown: 'running',
    pause: 'running',
    unpause: 'running',
    stop: 'shutdown',
    stand: 'suspended',
  },
  'running-held': {
    pause: 'running-held',
    unpause: 'running-held',
    log: 'running-held',
    unlog: 'running-held',
    end: 'running',
    kill: 'dying',
    stop: 'shutdown-held',
    stand: 'suspended-held',
  },
  suspended: { resume: 'suspended-held', reboot: 'suspended-held', destroy: 'suspended-held' },
  'suspended-held': { unlog: 'suspended-held', end: 'suspended', kill: 'dying' },
  shutdown: { reboot: 'shutdown-held', leave: 'shutdown-held', destroy: 'shutdown-held' },
  'shutdown-held': { unlog: 'shutdown-held', end: 'shutdown', kill: 'dying' },
  dying: { rebuild: 'building', keep: 'kept', gone: 'absent' },
};

/** The transition function: the state after an event; undefined when the event is illegal. */
export function lifeAfter(state: LifeState, event: LifeEvent): LifeState | undefined {
  return EDGES[state][event];
}

/** Whether an operation is under way in this state. */
export function isHeld(state: LifeState): boolean {
  return state.endsWith('-held') || state === 'building' || state === 'dying';
}

/** Why an operation did not do what it was asked to. */
export interface NotDone {
  /**
   * `refused`: it has not begun, and nothing has happened. `failed`: it has begun, and has an end.
   */
  readonly kind: 'refused' | 'failed';
  /** In words. */
  readonly why: string;
}

/** How an operation ends. */
export type Outcome<T = undefined, R extends NotDone = NotDone> = Result<T, R>;

export const refused = (why: string): Err<NotDone> => err({ kind: 'refused', why });
export const failed = (why: string): Err<NotDone> => err({ kind: 'failed', why });

/**
 * How it has ended, in one word.
 * @throws ArgumentError unless it is an outcome
 */
export function endOf(outcome: Outcome<unknown>): 'done' | NotDone['kind'] {
  checkObject('outcome', outcome, 'ok');
  return outcome.ok ? 'done' : outcome.reason.kind;
}

/** Why an operation may not begin where nothing else is under way. */
function reasonAgainst(operation: Operation, state: LifeState): string {
  switch (state) {
    case 'absent':
      return 'there is no such domain';
    case 'frozen':
    case 'kept':
      return operation === 'resume' ? 'it is not suspended' : 'a domain of this name was left';
    default:
      if (operation === 'create' || operation === 'restore') return 'there is a domain of this name';
      if (operation === 'resume') return 'it is not suspended';
      return operation === 'leave' ? 'it has not stopped' : 'it does not run';
  }
}

export class Lifecycle {
  readonly #released = new WaitQueue('the end of an operation on a domain');
  #state: LifeState;
  #operation: Operation | undefined;

  /** @param state where it begins: absent, or what another hypervisor left */
  constructor(state: 'absent' | 'frozen' | 'kept' = 'absent') {
    this.#state = state;
  }

  get state(): LifeState {
    return this.#state;
  }

  /** Whether an operation may begin now, or why it may not. */
  allows(operation: Operation): Outcome {
    if (lifeAfter(this.#state, operation) !== undefined) return DONE;
    const holder = this.#operation;
    return refused(holder === undefined ? reasonAgainst(operation, this.#state) : `it is being ${OPERATIONS[holder]}`);
  }

  /** An operation begins, and holds the domain if it takes time. Refused: nothing has happened. */
  begin(operation: Operation): Outcome {
    const allowed = this.allows(operation);
    if (!allowed.ok) return allowed;
    if (!isHeld(this.#state)) this.#operation = operation;
    this.#become(operation);
    return DONE;
  }

  /**
   * The guest has done something, or the operation that holds the domain has.
   * @throws InvariantViolation for what is illegal now
   */
  step(event: Exclude<LifeEvent, Operation>): void {
    this.#become(event);
  }

  /** Waits until no operation is under way. */
  *idle(): Process {
    while (isHeld(this.#state)) yield this.#released;
  }

  #become(event: LifeEvent): void {
    const next = lifeAfter(this.#state, event);
    assert(next !== undefined, `law 1: a domain that is ${this.#state} does not ${event}`);
    this.#state = next;
    if (isHeld(next)) return;
    this.#operation = undefined;
    this.#released.wakeAll();
  }
}
