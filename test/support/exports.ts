// What the entry points of the package export, as values, under one roof.
import * as base from '../../src/base/index.ts';
import * as disk from '../../src/disk/index.ts';
import * as kernel from '../../src/kernel/index.ts';
import * as machine from '../../src/machine/index.ts';
import * as sim from '../../src/sim/index.ts';
import * as xen from '../../src/xen/index.ts';
import * as xenPublic from '../../src/xen/public/index.ts';
import * as node from '../../src/doors/node/index.ts';
import * as pageCache from '../../src/doors/page-cache/index.ts';
import * as testing from '../../src/doors/testing/index.ts';
import * as table from '../../src/doors/table/index.ts';
import * as protocol from '../../src/lab/protocol/index.ts';
import * as door from '../../src/index.ts';

export const EXPORTS: Readonly<Record<string, unknown>> = {
  ...base,
  ...sim,
  ...machine,
  ...disk,
  ...xen,
  ...xenPublic,
  ...kernel,
  ...door,
  ...node,
  ...pageCache,
  ...table,
  ...testing,
  ...protocol,
};
