// Every option that names an output, with every kind of thing that may lie there. What is refused
// is refused before any work, in one line, and nothing is touched.
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/base/index.ts';
import { main } from '../../src/cli/commands.ts';
import type { ProgramIo } from '../../src/cli/io.ts';
import { saveMemory } from '../../src/experiment/guest/memory-dump.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { sampleResult } from '../report/sample.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';
import { run } from '../support/e2fsprogs.ts';
import { casesOf } from '../support/product.ts';
import { captureIo } from './capture.ts';

let dir = '';
let server: Server;
beforeEach(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'stillwarm-outputs-')));
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(dir, 'a-socket'), resolve));
});
afterEach(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

/**
 * What may lie where the output is to go; each makes it at `at`. The input is the directory `input`
 * or the file `image`.
 */
const TARGETS: Record<string, (at: string) => void> = {
  nothing: () => undefined,
  'a file': (at) => writeFileSync(at, 'old'),
  'a link to a file': (at) => {
    writeFileSync(join(dir, 'elsewhere'), 'old');
    symlinkSync(join(dir, 'elsewhere'), at);
  },
  'a directory': (at) => mkdirSync(at),
  'a device': (at) => symlinkSync('/dev/null', at),
  'a pipe': (at) => void run('mkfifo', at),
  'a socket': (at) => renameSync(join(dir, 'a-socket'), at),
  'a link to nothing': (at) => symlinkSync('nowhere', at),
  'a link to itself': (at) => symlinkSync(at, at),
  'a link to the image': (at) => symlinkSync(join(dir, 'image'), at),
  'the image by another name': (at) => linkSync(join(dir, 'image'), at),
  'a link to a file in the directory': (at) => symlinkSync(join(dir, 'input/one'), at),
};

/** Each output, and what is read meanwhile. */
const OUTPUTS: Record<string, { argv: (at: string) => string[]; input: 'image' | 'input'; file: string }> = {
  'reboot --report, of a directory': {
    argv: (at) => ['reboot', '--report', at, 'input'],
    input: 'input',
    file: 'index.html',
  },
  'reboot --report, of an image': {
    argv: (at) => ['reboot', '--report', at, 'image'],
    input: 'image',
    file: 'index.html',
  },
  'reboot --dump-memory, of a directory': {
    argv: (at) => ['reboot', '--dump-memory', at, 'input'],
    input: 'input',
    file: '',
  },
  'reboot --dump-memory, of an image': {
    argv: (at) => ['reboot', '--dump-memory', at, 'image'],
    input: 'image',
    file: '',
  },
  'vmm-reboot --report, of a directory': {
    argv: (at) => ['vmm-reboot', '--report', at, 'input'],
    input: 'input',
    file: 'index.html',
  },
  'vmm-reboot --report, of an image': {
    argv: (at) => ['vmm-reboot', '--report', at, 'image'],
    input: 'image',
    file: 'index.html',
  },
  mkfs: { argv: (at) => ['mkfs', 'input', at], input: 'input', file: '' },
  'mkfs --force': { argv: (at) => ['mkfs', '--force', 'input', at], input: 'input', file: '' },
};

interface Outcome {
  readonly status: number;
  readonly err: string;
  readonly worked: number;
}

function runIt(argv: readonly string[], change: Partial<ProgramIo> = {}): Outcome {
  let worked = 0;
  const io = captureIo(dir, {
    runReboot: ({ dumpMemory }) => {
      worked++;
      if (dumpMemory !== undefined) saveMemory(new MachineMemory(4096), dumpMemory);
      return { result: sampleResult(), mismatches: [], notices: [] };
    },
    runVmmReboot: () => {
      worked++;
      return { result: sampleVmmResult(), mismatches: [], notices: [] };
    },
    ...change,
  });
  return { status: main(argv, io), err: io.stderr.text, worked };
}

/** Everything below the directory: names, kinds, contents. */
function snapshot(): Map<string, string> {
  return new Map(
    readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => {
      const stat = lstatSync(join(dir, name));
      return [name, stat.isFile() ? readFileSync(join(dir, name), 'latin1') : `${stat.mode} ${stat.ino}`];
    }),
  );
}

function prepare(): void {
  mkdirSync(join(dir, 'input/sub'), { recursive: true });
  writeFileSync(join(dir, 'input/one'), 'precious');
  writeFileSync(join(dir, 'image'), 'precious, too');
  symlinkSync('input/sub', join(dir, 'way-in'));
}

/** Why a target is refused; undefined: it is written. */
function expected(target: string, option: string): RegExp | undefined {
  const { input } = OUTPUTS[option]!;
  switch (target) {
    case 'nothing':
      return undefined;
    case 'a file':
    case 'a link to a file':
      return option === 'mkfs' ? /exists already; --force replaces it/ : undefined;
    case 'a directory':
    case 'a device':
    case 'a pipe':
    case 'a socket':
    case 'a link to nothing':
      return new RegExp(` is ${target}$`);
    case 'a link to itself':
      return /: too many symbolic links$/;
    case 'a link to a file in the directory':
      return input === 'input' ? / lies in (PATH|DIR), which is being read$/ : undefined;
    default:
      // Of a directory, the image is any other file.
      if (input === 'image') return / is PATH itself$/;
      return option === 'mkfs' ? /exists already; --force replaces it/ : undefined;
  }
}

describe.each(Object.keys(OUTPUTS))('%s', (option) => {
  const { argv, file } = OUTPUTS[option]!;
  it.each(casesOf('what lies where an output is to go', option, Object.keys(TARGETS), { sample: 5, whole: 12 }))(
    'an output over %s is refused where it must be',
    (target) => {
      prepare();
      const at = join(dir, 'out', file);
      mkdirSync(join(dir, file === '' ? '' : 'out'), { recursive: true });
      TARGETS[target]!(file === '' ? join(dir, 'out') : at);
      const before = snapshot();
      const why = expected(target, option);
      const { status, err, worked } = runIt(argv('out'));
      if (why === undefined) {
        expect({ status, err }).toEqual({ status: 0, err: '' });
        const after = snapshot();
        // A link is still one; what is read is as it was, except for a file that only the other
        // input has.
        if (target.startsWith('a link'))
          expect(lstatSync(file === '' ? join(dir, 'out') : at).isSymbolicLink()).toBe(true);
        if (target !== 'a link to a file in the directory') expect(after.get('input/one')).toBe('precious');
        if (OUTPUTS[option]!.input === 'image') expect(after.get('image')).toBe('precious, too');
        return;
      }
      expect({ status, worked, lines: err.split('\n').length }).toEqual({ status: 2, worked: 0, lines: 2 });
      expect(err.trimEnd()).toMatch(why);
      expect(snapshot()).toEqual(before);
    },
  );

  it.each([
    ['input/new', OUTPUTS[option]!.input === 'input' ? / lies in (PATH|DIR), which is being read\n$/ : undefined],
    ['way-in/new', OUTPUTS[option]!.input === 'input' ? / lies in (PATH|DIR), which is being read\n$/ : undefined],
    [
      'input/../input/./sub/new',
      OUTPUTS[option]!.input === 'input' ? / lies in (PATH|DIR), which is being read\n$/ : undefined,
    ],
    ['image/new', /image is not a directory\n$/],
    ['way-out/new', /is a link to nothing\n$/],
    ['/proc/1/new', /cannot be written: no such file\n$/],
    ['missing/new', file === '' ? /missing does not exist\n$/ : undefined],
  ])('an output at %s is refused where it must be', (path, why) => {
    prepare();
    symlinkSync('nowhere', join(dir, 'way-out'));
    const before = snapshot();
    const { status, err, worked } = runIt(argv(path));
    if (why === undefined) {
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(existsSync(join(dir, path, file))).toBe(true);
      return;
    }
    expect({ status, worked, err }).toEqual({ status: 2, worked: 0, err: expect.stringMatching(why) as string });
    expect(snapshot()).toEqual(before);
  });
});

describe('two outputs', () => {
  it.each([
    [['--report', 'out', '--dump-memory', 'out/index.html'], / is written by --dump-memory, too\n$/],
    [['--report', 'out', '--dump-memory', 'same/../out/./index.html'], / is written by --dump-memory, too\n$/],
    [['--report', 'out', '--dump-memory', 'same/index.html'], / is written by --dump-memory, too\n$/],
    [['--report', 'new', '--dump-memory', 'new'], / and that of --dump-memory cannot both be there\n$/],
    [['--report', 'new/deep', '--dump-memory', 'new'], / and that of --dump-memory cannot both be there\n$/],
    [['--report', 'linked', '--dump-memory', 'out/index.html'], / is written by --dump-memory, too\n$/],
  ])('the outputs %j are not one over the other', (argv, why) => {
    prepare();
    mkdirSync(join(dir, 'out'));
    symlinkSync('out', join(dir, 'same'));
    mkdirSync(join(dir, 'linked'));
    symlinkSync('../out/index.html', join(dir, 'linked/index.html'));
    if (argv[1] === 'linked') writeFileSync(join(dir, 'out/index.html'), 'old');
    const before = snapshot();
    expect(runIt(['reboot', 'image', ...argv])).toEqual({
      status: 2,
      worked: 0,
      err: expect.stringMatching(why) as string,
    });
    expect(snapshot()).toEqual(before);
  });

  it('two outputs may lie side by side', () => {
    prepare();
    expect(runIt(['reboot', 'image', '--report', 'out', '--dump-memory', 'outer'])).toMatchObject({ status: 0 });
    expect(runIt(['reboot', 'image', '--report', 'out', '--dump-memory', 'out/memory'])).toMatchObject({ status: 0 });
  });
});

/** Where a stream of the process may lead; each opens it. */
const STREAM_FILES: Record<string, () => number> = {
  'the image': () => openSync(join(dir, 'image'), 'a'),
  'the image by another name': () => {
    linkSync(join(dir, 'image'), join(dir, 'other'));
    return openSync(join(dir, 'other'), 'a');
  },
  'a new file in the directory': () => openSync(join(dir, 'input/log'), 'w'),
  'a file below the directory': () => openSync(join(dir, 'way-in/log'), 'w'),
  'a file elsewhere that the directory has, too': () => {
    linkSync(join(dir, 'input/one'), join(dir, 'out/one'));
    return openSync(join(dir, 'out/one'), 'a');
  },
  'a file of the directory that is gone elsewhere': () => {
    linkSync(join(dir, 'input/one'), join(dir, 'out/one'));
    const fd = openSync(join(dir, 'out/one'), 'a');
    rmSync(join(dir, 'out/one'));
    return fd;
  },
  'a removed file': () => {
    const fd = openSync(join(dir, 'input/log'), 'w');
    rmSync(join(dir, 'input/log'));
    return fd;
  },
  'a file that a link in the directory names': () => {
    symlinkSync('../out/log', join(dir, 'input/log'));
    return openSync(join(dir, 'out/log'), 'w');
  },
  'a file beside the directory': () => openSync(join(dir, 'input.log'), 'w'),
  'the page': () => openSync(join(dir, 'out/index.html'), 'w'),
  'a device': () => openSync('/dev/null', 'w'),
};

describe.each(['standard output', 'standard error'])('%s leads to', (stream) => {
  describe.each(Object.keys(STREAM_FILES))('%s', (target) => {
    const commands = [
      ['reboot', 'input', '--report', 'out'],
      ['vmm-reboot', 'image', '--report', 'out'],
      ['mkfs', 'input', 'new.img'],
      ['inspect', 'image'],
    ];
    it.each(casesOf('where a stream leads to', `${stream}, ${target}`, commands, { sample: 1, whole: 4 }))(
      'a stream of stillwarm %s %s that leads to a file is refused where it must be',
      (...argv) => {
        prepare();
        mkdirSync(join(dir, 'out'));
        const fd = STREAM_FILES[target]!();
        try {
          const before = snapshot();
          // Both may lead to one file.
          const hostStreams = [stream, 'both'].map((name) => ({ name, fd }));
          const { status, worked, err } = runIt(argv, { hostStreams });
          const [command, input] = argv;
          let why: string | undefined;
          if (target.startsWith('the image') && input === 'image')
            why = `${stream} is ${command === 'inspect' ? 'MEMORY.img' : 'PATH'} itself`;
          if (/^a (new )?file (in|below|elsewhere|of) /.test(target) && input === 'input')
            why = `${stream} lies in ${command === 'mkfs' ? 'DIR' : 'PATH'}, which is being read`;
          if (target === 'the page' && argv.includes('--report'))
            why = `--report: ${join(dir, 'out/index.html')} is written by ${stream}, too`;
          if (why !== undefined) {
            expect({ status, worked, err }).toEqual({ status: 2, worked: 0, err: `stillwarm: ${why}\n` });
            expect(snapshot()).toEqual(before);
          } else if (command === 'inspect') expect(err).toMatch(/: 13 bytes, not a whole number of frames/);
          else expect({ status, err }).toEqual({ status: 0, err: '' });
        } finally {
          closeSync(fd);
        }
      },
    );
  });
});

describe('a name of an output', () => {
  // 255 bytes are the most that a name may have.
  it.each([1, 200, 250, 254, 255, 256])('a name of an output of %i bytes', (length) => {
    prepare();
    const name = 'n'.repeat(length);
    for (const argv of [
      ['mkfs', 'input', name],
      ['mkfs', '--force', 'input', name],
      ['reboot', 'image', '--dump-memory', name],
      ['reboot', 'image', '--report', name],
    ]) {
      const isTooLong = length > 255;
      const { status, err, worked } = runIt(argv);
      expect({ argv, status, err }).toEqual({
        argv,
        status: isTooLong ? 2 : 0,
        err: isTooLong ? (expect.stringMatching(/: the name is too long\n$/) as string) : '',
      });
      if (isTooLong) expect(worked).toBe(0);
      else expect(existsSync(join(dir, name))).toBe(true);
      expect(readdirSync(dir).filter((each) => each.endsWith('.part'))).toEqual([]);
      if (!isTooLong && argv.includes('--dump-memory')) rmSync(join(dir, name));
    }
  });
});

it.each([
  ['reboot', 'image', '--report', 'new/deep/er'],
  ['reboot', 'image', '--report', 'new/deep/er', '--dump-memory', 'fails.img'],
  ['vmm-reboot', 'image', '--report', 'new/deep/er'],
])('when the work fails, nothing of %j is there', (...argv) => {
  prepare();
  const before = snapshot();
  const fail = (): never => {
    throw new UserError('PATH: is no image');
  };
  expect(runIt(argv, { runReboot: fail, runVmmReboot: fail })).toMatchObject({
    status: 2,
    err: 'stillwarm: PATH: is no image\n',
  });
  expect(snapshot()).toEqual(before);
});

it('what a killed run of the same number left is not touched', () => {
  prepare();
  const left = join(dir, `stillwarm-${process.pid}.part`);
  writeFileSync(left, 'half');
  expect(runIt(['mkfs', 'input', 'image.new'])).toMatchObject({ status: 0 });
  expect(readFileSync(left, 'utf8')).toBe('half');
});
