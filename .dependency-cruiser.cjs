// The walls between the rooms of src/ (see CONTRIBUTING.md, "Rooms and walls"). Imports point down only; the guest
// kernel reaches the world through the hypervisor's public ABI alone, so this graph *is* the privilege boundary.
// `tsPreCompilationDeps` makes type-only imports count: a type can carry a secret as well as a value.
//
// Run through tools/layers.mjs, which also refuses a cruise that saw too little to mean anything.

const { BROWSER, MAY_IMPORT, MODEL, NODE, ROOMS, own, place } = require('./tools/rooms.cjs');

const MODEL_ROOMS = `^src/(${MODEL.join('|')})/`;

const walls = Object.entries(MAY_IMPORT).map(([room, allowed]) => ({
  name: `wall-of-${room.replaceAll('/', '-')}`,
  comment: `src/${room} may import only: itself${allowed.map((entry) => `, ${entry}`).join('')}`,
  severity: 'error',
  from: { path: own(room) },
  to: { path: '^src/', pathNot: [own(room), ...allowed.map(place)] },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...walls,
    ...['from', 'to'].map((end) => ({
      name: `known-rooms-only-${end}`,
      comment: 'No utils, no common: a folder without a row is an error, and a new row is a decision.',
      severity: 'error',
      from: {},
      to: {},
      [end]: { path: '^src/.+/[^/]+$', pathNot: `^src/(${ROOMS.join('|')})/[^/]+$` },
    })),
    {
      name: 'barrel-stays-in-its-room',
      comment: 'The index.ts of a room exports that room and nothing else. A door exports what its users need.',
      severity: 'error',
      from: { path: '^src/(.+)/index\\.ts$', pathNot: '^src/doors/' },
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
      name: 'results-only-as-types',
      comment:
        'The definition of a result is for its schema and its page; a run needs its type only, and loads no typebox.',
      severity: 'error',
      from: { path: '^src/', pathNot: 'result\\.ts$' },
      to: { path: '^src/(experiment|cli)/.*result\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'src-stands-alone',
      comment: 'Nothing in src/ imports tests, benchmarks, examples, tools or what a build left behind.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|examples|tools|dist|[.]build)/' },
    },
    {
      name: 'node-at-the-edge',
      comment: 'Modules of node are for the files that touch the host. The rest runs in a browser, too.',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE.map(place) },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'threads-in-the-program',
      comment: 'A run knows of no other. The program does several at once.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/(program|worker|kit/threads|kit/pool)\\.ts$' },
      to: { path: '^(node:)?worker_threads$' },
    },
    {
      name: 'browsers-reach-no-node',
      comment: 'A bundle for browsers begins there. base/bytes.ts has a twin for them.',
      severity: 'error',
      from: { path: BROWSER.map(place) },
      to: { path: NODE.filter((entry) => entry !== 'base/bytes.ts').map(place), reachable: true },
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
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        pathNot: 'node_modules/(@types|bullmq|fast-check|ioredis)/',
      },
    },
    {
      name: 'fast-check-in-its-door',
      comment: 'A peer dependency of one door: whoever uses another need not have it.',
      severity: 'error',
      from: { path: '^src/', pathNot: place('doors/testing') },
      to: { path: '(^|/)fast-check(/|$)' },
    },
    {
      name: 'queue-in-its-files',
      comment: 'Peer dependencies of --queue: whoever plays checks on one machine need not have them.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/check/queue(-client|-worker)?\\.ts$' },
      to: { path: '(^|/)(bullmq|ioredis)(/|$)' },
    },
    { name: 'no-circular', comment: 'Type-only cycles too.', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      comment: 'A file that nothing imports and that imports nothing is dead, unless it is an entry point.',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: ['(^|/)index\\.ts$', '^src/cli/main\\.ts$', '^src/base/bytes-browser\\.ts$', '\\.d\\.ts$'],
      },
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
