// The rooms of src/ and the walls between them. Imports point down only, and type-only imports
// count. The guest reaches the world through `xen/public` alone, so this table *is* the privilege
// boundary. Read by .dependency-cruiser.cjs (which enforces it), eslint.config.mjs and the tests of
// the tool.

/**
 * What each room may import of ours, besides itself: one row a room, one room a folder. Anything
 * not listed is a wall. `a/b` is the room's own files, without those of the rooms inside it. `a/*`
 * is every room inside `a`. A file is itself.
 * @type {Record<string, string[]>}
 */
const MAY_IMPORT = {
  base: [],
  trace: ['base'],
  format: ['base'],
  sim: ['base'],
  machine: ['base', 'sim', 'machine/profiles'],
  'machine/profiles': ['base', 'machine/profile.ts'],
  'disk/image': ['base'],
  'disk/drive': ['base', 'sim', 'machine', 'machine/profiles', 'disk/image'],
  'disk/mkfs': ['base', 'format', 'disk/image'],
  disk: ['disk/*'],
  'xen/public': ['base', 'sim'],
  'xen/records': ['base', 'sim', 'machine', 'disk/image', 'disk/drive', 'xen/public', 'xen/protections.ts'],
  'xen/frames': ['base', 'sim', 'machine', 'xen/public', 'xen/records', 'xen/costs.ts', 'xen/protections.ts'],
  'xen/channels': ['base', 'sim', 'machine', 'xen/public', 'xen/records', 'xen/frames', 'xen/costs.ts'],
  'xen/core': [
    ...['base', 'sim', 'machine', 'disk/image', 'disk/drive'],
    ...['xen/public', 'xen/records', 'xen/frames', 'xen/channels', 'xen/costs.ts', 'xen/protections.ts'],
  ],
  'xen/devices': [
    ...['base', 'sim', 'machine', 'disk/drive'],
    ...['xen/public', 'xen/records', 'xen/frames', 'xen/channels', 'xen/core'],
  ],
  'xen/domain': [
    ...['base', 'sim', 'machine', 'disk/drive'],
    ...['xen/public', 'xen/records', 'xen/frames', 'xen/channels', 'xen/core', 'xen/devices'],
  ],
  'xen/toolstack': [
    ...['base', 'sim', 'machine', 'disk/image', 'disk/drive'],
    ...['xen/public', 'xen/records', 'xen/frames', 'xen/channels', 'xen/core', 'xen/devices', 'xen/domain'],
  ],
  'xen/save': [
    ...['base', 'sim', 'machine', 'disk/image', 'disk/drive', 'xen/public', 'xen/records', 'xen/frames'],
    ...['xen/channels', 'xen/core', 'xen/devices', 'xen/domain', 'xen/toolstack'],
  ],
  xen: ['base', 'machine', 'xen/*'],
  'kernel/mm': ['base', 'kernel/mm/policy'],
  'kernel/mm/policy': ['base', 'kernel/mm/mem-map.ts'],
  'kernel/xen': ['base', 'sim', 'xen/public', 'kernel/costs.ts', 'kernel/log.ts'],
  'kernel/block': ['base', 'sim', 'xen/public', 'kernel/xen'],
  'kernel/net': ['base', 'sim', 'xen/public', 'kernel/xen', 'kernel/costs.ts'],
  'kernel/cache': [
    ...['base', 'sim', 'xen/public'],
    ...['kernel/mm', 'kernel/mm/policy', 'kernel/xen', 'kernel/block', 'kernel/costs.ts', 'kernel/log.ts'],
  ],
  'kernel/fs': [
    ...['base', 'sim', 'xen/public', 'kernel/mm', 'kernel/cache'],
    ...['kernel/costs.ts', 'kernel/log.ts', 'kernel/rules.ts'],
  ],
  'kernel/fs/jbd': [
    ...['base', 'sim', 'format', 'xen/public'],
    ...['kernel/mm', 'kernel/block', 'kernel/cache', 'kernel/fs', 'kernel/costs.ts'],
  ],
  'kernel/fs/ext2': [
    ...['base', 'sim', 'format', 'xen/public'],
    ...['kernel/mm', 'kernel/cache', 'kernel/fs', 'kernel/fs/jbd', 'kernel/costs.ts', 'kernel/log.ts'],
  ],
  // A file system is known as the interface of `kernel/fs`: a second one changes nothing here.
  'kernel/file': ['base', 'sim', 'xen/public', 'kernel/mm', 'kernel/cache', 'kernel/fs', 'kernel/costs.ts'],
  'kernel/syscall': [
    ...['base', 'sim', 'xen/public'],
    ...['kernel/mm', 'kernel/cache', 'kernel/net', 'kernel/fs', 'kernel/file', 'kernel/costs.ts'],
  ],
  'kernel/boot': [
    'base',
    'sim',
    'xen/public',
    'kernel/*',
    'kernel/costs.ts',
    'kernel/command-line.ts',
    'kernel/log.ts',
    'kernel/rules.ts',
  ],
  kernel: ['base', 'sim', 'xen/public', 'kernel/*'],
  workload: ['base', 'sim', 'kernel/syscall/syscalls.ts'],
  // Domain 0's kernel, as far as it is modelled: the cache of a Linux kernel over the real drive.
  domain0: ['base', 'sim', 'machine', 'disk/image', 'disk/drive', 'kernel/mm'],
  // The oracle reads the disk with eyes of its own: it shares no line with the kernel, nor the
  // format with mkfs.
  'experiment/judge': ['base', 'disk/image', 'machine', 'xen', 'xen/*'],
  // A machine put together, and the names of what can be done to it.
  'experiment/host': [
    ...['base', 'sim', 'machine', 'machine/*', 'disk/image', 'disk/drive', 'xen', 'xen/*', 'kernel', 'domain0'],
    'trace',
  ],
  'experiment/guest': [
    ...['base', 'format', 'sim', 'machine', 'machine/*', 'disk', 'disk/*', 'xen', 'xen/*', 'kernel', 'kernel/*'],
    ...['workload', 'experiment/judge', 'experiment/host'],
  ],
  'experiment/vmm': [
    ...['base', 'sim', 'machine', 'machine/*', 'disk', 'disk/*', 'xen', 'xen/*', 'kernel', 'kernel/*'],
    ...['workload', 'experiment/judge', 'experiment/host', 'experiment/guest'],
  ],
  'experiment/web': [
    ...['base', 'sim', 'machine', 'disk/image', 'disk/mkfs', 'kernel'],
    ...['workload', 'experiment/judge', 'experiment/host', 'experiment/guest'],
  ],
  'experiment/predict': [
    ...['base', 'trace', 'sim', 'machine', 'disk/mkfs', 'xen', 'kernel', 'workload'],
    ...['experiment/judge', 'experiment/host', 'experiment/guest', 'experiment/accesses'],
  ],
  'experiment/accesses': ['base', 'trace', 'kernel/mm', 'doors/page-cache', 'experiment/guest'],
  // What the paper printed: no code of the model may know it.
  slides: [],
  'experiment/paper': [
    ...[
      'base',
      'sim',
      'machine',
      'slides',
      'experiment/judge',
      'experiment/host',
      'experiment/guest',
      'experiment/vmm',
      'experiment/web',
    ],
  ],
  'doors/machine': [
    ...['base', 'sim', 'machine', 'disk/image', 'disk/drive', 'disk/mkfs', 'xen', 'kernel', 'workload'],
    ...['experiment/judge', 'experiment/host'],
  ],
  'doors/node': ['base', 'disk/image', 'disk/mkfs', 'doors/machine', 'experiment/guest'],
  'doors/page-cache': ['base', 'kernel/mm', 'kernel/mm/policy'],
  'doors/table': ['base', 'xen/public', 'xen/records', 'xen/frames', 'xen/protections.ts'],
  'doors/testing': ['base', 'format', 'doors/machine', 'doors/table'],
  // The frame of every check, and the checks: each plays numbered cases and asks the host nothing.
  lab: ['base'],
  'lab/faults': [
    ...['base', 'sim', 'machine', 'machine/*', 'disk', 'disk/*', 'xen', 'xen/*', 'kernel', 'kernel/*'],
    ...['experiment/judge', 'experiment/host', 'lab'],
  ],
  // The harness looks at the parts of a machine; what a guest must have is the door's to say.
  'lab/crash': [
    ...['base', 'sim', 'machine', 'disk/drive', 'xen', 'xen/frames/frame-record.ts', 'format', 'doors/machine', 'lab'],
    ...['doors/testing/contents.ts', 'doors/testing/file-calls.ts', 'doors/testing/guest-model.ts'],
    ...['doors/testing/model-fs.ts', 'doors/testing/play-calls.ts'],
  ],
  'lab/scope': [
    ...['base', 'sim', 'machine', 'machine/*', 'xen/public', 'xen/records', 'xen/frames', 'xen/core', 'xen/devices'],
    ...['xen/domain', 'xen/toolstack', 'xen/protections.ts', 'lab'],
  ],
  // A library of its own: it knows no machine.
  'lab/protocol': ['base'],
  'lab/fuzz': [
    ...['base', 'format', 'sim', 'machine', 'machine/profiles', 'disk/image', 'disk/drive', 'disk/mkfs'],
    ...['xen', 'xen/public', 'xen/records', 'xen/frames', 'xen/core', 'xen/save', 'kernel', 'kernel/net', 'workload'],
    ...['experiment/judge', 'experiment/host', 'doors/table', 'diff', 'lab', 'trace'],
  ],
  'report/kit': ['base'],
  report: ['base', 'slides', 'report/kit', 'experiment/*'],
  diff: ['base', 'experiment/guest', 'report'],
  // What commands share, and the commands that play the checks of the lab.
  'cli/kit': ['base', 'disk/image', 'domain0', 'experiment/host', 'experiment/guest'],
  // The image that a user gave, made one that a guest mounts. It waits, which no model does.
  'cli/image': [...['base', 'format', 'disk/image', 'disk/mkfs', 'experiment/host', 'experiment/guest', 'cli/kit']],
  // Measures the host, which no model does: here is the only clock besides that of the progress.
  'cli/calibrate': [
    ...['base', 'machine', 'machine/profiles', 'disk/drive', 'experiment/host', 'experiment/guest', 'cli/kit'],
  ],
  'cli/check': [
    ...['base', 'experiment/judge', 'experiment/guest', 'doors/machine', 'lab', 'lab/*', 'cli/version.ts', 'cli/kit'],
    'report/protocol-html.ts',
  ],
  cli: ['*'],
};

const ROOMS = Object.keys(MAY_IMPORT);

/** The files of a room, without those of the rooms inside it. @param {string} room */
const own = (room) => {
  const inside = ROOMS.filter((other) => other.startsWith(`${room}/`)).map((other) => other.slice(room.length + 1));
  return `^src/${room}/${inside.length > 0 ? `(?!(${inside.join('|')})/)` : ''}`;
};

/** @param {string} entry of a row of MAY_IMPORT */
const place = (entry) => {
  if (entry === '*') return '^src/';
  if (entry.endsWith('/*')) return `^src/${entry.slice(0, -1)}[^/]+/`;
  return entry.endsWith('.ts') ? `^src/${entry.replace('.', '\\.')}$` : own(entry);
};

/** Rooms of the model and of its lab: one seed, one run, byte for byte. */
const MODEL = ['base', 'format', 'trace', 'sim', 'machine', 'disk', 'xen', 'kernel', 'workload', 'domain0', 'lab'];

/**
 * Files and rooms that may import modules of node. Everything else runs in a browser, too, where
 * base/bytes-browser.ts takes the place of base/bytes.ts.
 */
const NODE = [
  'base/bytes.ts',
  'disk/image/file-image.ts',
  'disk/mkfs/host-tree.ts',
  'experiment/host/trace-file.ts',
  'experiment/host/unpacked.ts',
  'experiment/guest/image-kind.ts',
  'experiment/guest/memory-dump.ts',
  'experiment/guest/output-file.ts',
  'experiment/predict/file-sizes.ts',
  'doors/node',
  'report/kit/page.ts',
  'report',
  'cli',
  'cli/kit',
  'cli/check',
  'cli/image',
  'cli/calibrate',
];

/** The doors for browsers: nothing that NODE lists is reached from them. */
const BROWSER = [
  ...['index.ts', 'doors/machine', 'doors/page-cache', 'doors/table'],
  ...['kernel', 'lab/protocol', 'machine', 'sim', 'workload', 'xen'],
];

module.exports = { BROWSER, MAY_IMPORT, MODEL, NODE, ROOMS, own, place };
