/** Properties of a cache-mapping table of the user's own. */

import fc from 'fast-check';
import { checkFunction, checkInteger, checkKeys, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { TABLE_FRAMES, type TableMaker, type TableStep, TableWorld } from './table-world.ts';

/** Of `tableSteps` and `tableProperty`. */
export interface TablePropertyOptions {
  /** Whether transfers overlap with others and with stores; true by default. */
  readonly overlapping?: boolean;
  /** How many steps at most; 40 by default. */
  readonly maxSteps?: number;
}

const step: fc.Arbitrary<TableStep> = fc.record({
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant('fill' as const) },
    { weight: 6, arbitrary: fc.constantFrom('end' as const, 'claim' as const) },
    { weight: 5, arbitrary: fc.constantFrom('read' as const, 'write' as const, 'store' as const, 'name' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<TableStep['what'][]>('otherWrite', 'erase', 'free', 'preserve', 'reboot', 'reboot'),
    },
  ),
  frame: fc.nat(TABLE_FRAMES - 1),
  device: fc.nat(1),
  block: fc.nat(4),
  file: fc.nat(5),
  early: fc.boolean(),
  ok: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
});

/**
 * What the caller of a table does: transfers, stores, names, claims, deaths.
 * @throws ArgumentError for an option out of range
 */
export function tableSteps(options: TablePropertyOptions = {}): fc.Arbitrary<TableStep[]> {
  checkKeys('options', options, ['overlapping', 'maxSteps']);
  const { overlapping = true, maxSteps = 40 } = options;
  checkOneOf('options.overlapping', overlapping, [true, false]);
  checkInteger('options.maxSteps', maxSteps, 1);
  const one = overlapping ? step : step.map((each) => ({ ...each, atOnce: true }));
  return fc.array(one, { minLength: 1, maxLength: maxSteps, size: 'max' });
}

/**
 * A property of a table, whatever its caller does and whenever it dies. A page that is claimed was
 * named so, and its frame holds what is on the disk at that block.
 * @param make called for each case: the memory of a caller
 * @throws ArgumentError for a maker that is no function, or an option out of range
 */
export function tableProperty(
  make: () => TableMaker,
  options: TablePropertyOptions = {},
): fc.IPropertyWithHooks<[TableStep[]]> {
  checkFunction('make', make);
  return fc.property(tableSteps(options), (steps) => {
    const maker = make();
    checkObject('make', maker, 'create', 'recover');
    new TableWorld(maker).play(steps);
  });
}
