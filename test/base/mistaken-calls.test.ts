// A mistake of a caller, at every place where one can be made. Each parameter of all that the
// package exports is replaced in turn by what cannot be right. The call returns, or says that
// argument's name, or ends as the modelled world or the user's input ends.
import { describe, expect, it } from 'vitest';
import { ArgumentError, GuestPanic, InputError, ModelError, UserError } from '../../src/base/index.ts';
import { EXPORTS } from '../support/exports.ts';
import type { Process } from '../../src/sim/index.ts';
import { type Rig, RIGS, rigOfFunctions } from '../support/mistaken-calls.ts';
import { casesOf } from '../support/product.ts';
import { type Callable, publicSurface } from '../support/public-surface.ts';

const WRONG: readonly unknown[] = [undefined, null, -1, NaN, 1.5, 2 ** 53, '', {}, new Date(0)];
/**
 * What each parameter is replaced by in turn: some of it in `npm test`, and all in
 * `npm run test:laws`.
 */
const SIZE = { sample: 3, whole: 9 };

/** What the rigs' objects answer to a right call, where that is no return. */
const RIGHT_BUT: Readonly<Record<string, RegExp>> = {
  crashes: /yields an object, which is neither/,
  everyFault: /yields an object, which is neither/,
  hypervisorCrashes: /yields an object, which is neither/,
  powerLosses: /yields an object, which is neither/,
  'MemoryManagement.freeAll': /called before/,
  'Domain.stopped': /waits for something that never happens/,
  'ListeningSocket.accept': /waits for something that never happens/,
  'Syscalls.listen': /ENETDOWN/,
};

/** Rooms whose functions say in their docstrings what they throw. */
const TOLD = /^(doors|disk|sim)\//;

/** What is made so fast that each call gets one of its own. */
const LIGHT = new Set([
  ...['MemoryManagement', 'MemMap', 'PageAllocator', 'Lru', 'PageCache', 'Reclaim', 'ReadaheadState', 'Simulation'],
  ...['WaitQueue', 'Task', 'RandomStreams', 'RandomStream', 'Medium', 'EmbeddedPageCache', 'FileReadahead', 'ModelFs'],
]);

const { callables, exported, things } = publicSurface();

/**
 * Calls it with its right arguments, one of them replaced; runs what it returns if that is a
 * process.
 */
function call(rig: Rig, callable: Callable, at = -1, wrong?: unknown): void {
  const { name, kind, owner, member, parameters } = callable;
  const args = parameters.map((parameter, n) => {
    if (n === at) return wrong;
    const own = `${name}.${parameter}`;
    return own in rig.right ? rig.right[own] : rig.right[parameter];
  });
  const room = (exportedName: string): unknown => EXPORTS[exportedName];
  const holder = (kind === 'method' ? rig.it : kind === 'static' ? room(owner!) : EXPORTS) as Record<string, unknown>;
  const result: unknown =
    kind === 'constructor'
      ? Reflect.construct(room(owner!) as new () => unknown, args)
      : Reflect.apply(holder[member] as () => unknown, kind === 'function' ? undefined : holder, args);
  if (isProcess(result)) rig.simulation.runProcess(name, result);
}

const isProcess = (value: unknown): value is Process =>
  typeof value === 'object' && value !== null && Symbol.iterator in value && 'throw' in value;

const rigFor = ({ kind, owner }: Callable): Rig => (kind === 'method' ? RIGS[owner!]!() : rigOfFunctions());

/** What is wrong with what the call threw; undefined: nothing. */
function objection(error: unknown, parameter: string): string | undefined {
  if ([GuestPanic, InputError, ModelError, UserError].some((kind) => error instanceof kind)) return undefined;
  if (error instanceof ArgumentError) {
    // Each of the options has a name of its own.
    if (parameter === 'options') return undefined;
    const names = error.message.split(':')[0]!.split(', ');
    return names.some((name) => name.split(/[.[]/)[0] === parameter) ? undefined : `names another: ${error.message}`;
  }
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 100)}` : String(error);
}

const shown = (value: unknown): string => {
  if (value instanceof Date) return 'a Date';
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'undefined');
};

it('the search finds the surface, and there is a rig for all of it', () => {
  const methods = callables.filter(({ kind }) => kind === 'method');
  expect(methods.length).toBeGreaterThan(150);
  expect([...new Set(methods.map(({ owner }) => owner!))].sort()).toEqual(Object.keys(RIGS).sort());
  for (const name of Object.keys(RIGHT_BUT)) expect(callables.map((one) => one.name)).toContain(name);
});

it('no two things that the doors export share a name', () => {
  expect(things.size).toBeGreaterThan(200);
  expect([...things].filter(([, count]) => count > 1)).toEqual([]);
});

describe('every argument of what the package exports', () => {
  it.each(callables.filter(({ kind, owner, name }) => (kind !== 'method' ? exported.has(owner ?? name) : true)))(
    'the part $name takes what is right, and names what is not',
    (callable) => {
      const problems: string[] = [];
      let refuses = false;
      // Where a machine is booted, one is enough for all that is wrong.
      let rig = rigFor(callable);
      const isLight = LIGHT.has(callable.owner ?? '') && callable.kind === 'method';
      callable.parameters.forEach((parameter, at) => {
        for (const wrong of casesOf('an argument that is wrong', `${callable.name}.${parameter}`, WRONG, SIZE)) {
          if (isLight) rig = rigFor(callable);
          let problem: string | undefined;
          try {
            call(rig, callable, at, wrong);
          } catch (error) {
            refuses ||= error instanceof ArgumentError;
            const isState = error instanceof Error && RIGHT_BUT[callable.name]?.test(error.message) === true;
            if (!isState) problem = objection(error, parameter);
          }
          try {
            rig.check?.();
          } catch (error) {
            problem ??= `leaves damage: ${String(error).slice(0, 100)}`;
          }
          if (problem !== undefined) problems.push(`${parameter} = ${shown(wrong)}: ${problem}`);
        }
      });
      if (refuses && TOLD.test(callable.file) && !callable.saysThrows)
        problems.push('it throws ArgumentError, and its docstring has no @throws');
      if (problems.length > 0) throw new Error(problems.join('\n'));
      const expected = RIGHT_BUT[callable.name];
      const right = (): void => call(rigFor(callable), callable);
      if (expected === undefined) expect(right).not.toThrow();
      else expect(right).toThrow(expected);
    },
  );
});
