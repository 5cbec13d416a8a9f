// The walls between the rooms of src/ (see CONTRIBUTING.md, "Rooms and walls"). Imports point down only; the guest
// kernel reaches the world through the hypervisor's public ABI alone, so this graph *is* the privilege boundary.
// `tsPreCompilationDeps` makes type-only imports count: a type can carry a secret as well as a value.
//
// Run through tools/layers.mjs, which also refuses a cruise that saw too little to mean anything.

/** What each room may import of ours, besides itself. Anything not listed is a wall. */
const MAY_IMPORT = {
  base: [],
  sim: ['^src/base/'],
  machine: ['^src/base/', '^src/sim/'],
  disk: ['^src/base/', '^src/sim/', '^src/machine/'],
  'xen/public': ['^src/base/', '^src/sim/'],
  xen: ['^src/base/', '^src/sim/', '^src/machine/', '^src/disk/'],
  // The on-disk format has one owner, shared by mkfs and the kernel; the rest of disk/ is out of the guest's reach.
  kernel: ['^src/base/', '^src/sim/', '^src/xen/public/', '^src/disk/(ext2|jbd)-format[^/]*\\.ts$'],
  workload: ['^src/base/', '^src/sim/', '^src/kernel/syscalls\\.ts$'],
  experiment: ['^src/base/', '^src/sim/', '^src/machine/', '^src/disk/', '^src/xen/', '^src/kernel/', '^src/workload/'],
  report: ['^src/base/', '^src/experiment/'],
  cli: ['^src/'],
};

const MODEL_ROOMS = '^src/(base|sim|machine|disk|xen|kernel|workload)/';

const walls = Object.entries(MAY_IMPORT).map(([room, allowed]) => ({
  name: `wall-of-${room.replace('/', '-')}`,
  comment: `src/${room} may import only: itself${allowed.map((path) => `, ${path}`).join('')}`,
  severity: 'error',
  from: { path: `^src/${room}/`, ...(room === 'xen' ? { pathNot: '^src/xen/public/' } : {}) },
  to: { path: '^src/', pathNot: [`^src/${room}/`, ...allowed] },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...walls,
    ...['from', 'to'].map((end) => ({
      name: `known-rooms-only-${end}`,
      comment: 'No utils, no common: a new room is a decision, made in this file.',
      severity: 'error',
      from: {},
      to: {},
      [end]: { path: `^src/(?!(${Object.keys(MAY_IMPORT).join('|')})/)[^/]+/` },
    })),
    {
      name: 'barrel-stays-in-its-room',
      comment: 'The index.ts of a room exports that room and nothing else.',
      severity: 'error',
      from: { path: '^src/(.+)/index\\.ts$' },
      to: { path: '^src/', pathNot: '^src/$1/' },
    },
    {
      name: 'report-sees-results-only-as-types',
      comment: 'report/ draws what an experiment measured; it never runs one.',
      severity: 'error',
      from: { path: '^src/report/' },
      to: { path: '^src/experiment/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'src-stands-alone',
      comment: 'Nothing in src/ imports tests, benchmarks, examples, tools or what a build left behind.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|examples|tools|dist|[.]build)/' },
    },
    {
      name: 'no-terminal-in-the-model',
      comment: 'Tables and pretty sizes are for report/ and cli/.',
      severity: 'error',
      from: { path: MODEL_ROOMS },
      to: { path: 'node_modules/(cli-table3|pretty-bytes)/' },
    },
    {
      name: 'no-dev-dependency-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/@types/' },
    },
    { name: 'no-circular', comment: 'Type-only cycles too.', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      comment: 'A file that nothing imports and that imports nothing is dead, unless it is an entry point.',
      severity: 'error',
      from: { orphan: true, pathNot: ['(^|/)index\\.ts$', '^src/cli/main\\.ts$', '\\.d\\.ts$'] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
