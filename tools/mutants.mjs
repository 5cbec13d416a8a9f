// Tests the tests: changes one thing in a room that decides what is reused, and asks whether the
// fast tests of the room notice.
//
// `node tools/mutants.mjs [--sample 300] [--seed 1] [--shard k/n] [--room ROOM] [--match TEXT]
// [--jobs N]`
//
// The mutants, and the file with a switch for one of them, come from stryker's instrumenter.
// Stryker's runner is not used: it can choose places in files, but no sample of mutants. Each
// mutant has a vitest of its own, in one process. It ends at the first failure, and is killed when
// it takes too long.
//
// A fate is kept (.build/mutants/fates) while the mutated file and the tests are the same. A death
// depends on the test file that saw it, a survival on all. Exit status 1: a survivor without an
// explanation, an explanation that is not true now, or a score below the least one.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allMutants, disagreements, hashOf, nameOf, partOf, ROOMS, sampleOf, withSwitch } from './mutant-sample.mjs';

/** @typedef {import('./mutant-sample.mjs').Mutant} Mutant */
/** @typedef {import('./mutant-sample.mjs').Fate} Fate */
/** by: the test file that killed it */
/** @typedef {{ fate: Fate, by: string, title: string, ms: number }} Result */
/** @typedef {{ status: string, title: string }} Test */
/** @typedef {{ name: string, status: string, assertionResults: Test[] }} TestFile */
/** @typedef {{ numTotalTests: number, testResults: TestFile[] }} Report of vitest */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = '.build/mutants';
/** A file for each mutant that ran: runs at the same time share them. */
const FATES = join(ROOT, FOLDER, 'fates');
const EXPLAINED = 'test/mutants/survivors.json';
/** The least share of a sample that tests must kill. It judges no shard of fewer than MANY. */
const LEAST_SCORE = 0.85;
const MANY = 100;
/**
 * Seconds of the processor that tests have: with a mutant, and without, where they must pass. These
 * do not depend on how busy the machine is.
 */
const MUTANT_S = 30;
const PLAIN_S = 20;
/** Milliseconds after which a run is given up whatever it does. */
const STUCK_MS = 400_000;

const { values } = parseArgs({
  options: {
    sample: { type: 'string', default: 'all' },
    seed: { type: 'string', default: '1' },
    shard: { type: 'string', default: '1/1' },
    room: { type: 'string' },
    match: { type: 'string', default: '' },
    jobs: { type: 'string', default: '1' },
  },
});

/** @param {string} path */
const textOf = (path) => readFileSync(join(ROOT, path), 'utf8');

/** Files that take long, and those that need a process of their own. */
const longFiles = new Set(textOf('test/support/long-files.ts').match(/test\/[^']+\.test\.ts/g));
/** @param {string} file */
const isFast = (file) => !longFiles.has(file) && !/\bvi\.mock\(/.test(textOf(file));

/** @param {string} where a folder or a file */
function testsIn(where) {
  if (!statSync(join(ROOT, where)).isDirectory()) return [where];
  return readdirSync(join(ROOT, where), { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => `${where}/${name}`)
    .filter((file) => file.endsWith('.test.ts') && isFast(file));
}

/**
 * The tests of a room, the most likely to notice a change of the file first.
 * @param {string} room
 * @param {string} [file]
 * @param {string} [killer] a test file that noticed it once
 */
function testsOf(room, file = '', killer = '') {
  const tests = [...new Set((ROOMS[room] ?? []).flatMap(testsIn))];
  const own = file.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts');
  const likely = [killer, own].filter((each) => tests.includes(each));
  return [...new Set([...likely, ...tests])];
}

const suiteTexts = /** @type {Map<string, string>} */ (new Map());
/** @param {string} room */
function suiteHashOf(room) {
  const known = suiteTexts.get(room) ?? hashOf(...testsOf(room).map(textOf));
  suiteTexts.set(room, known);
  return known;
}

const folders = /** @type {Set<string>} */ (new Set());
/** Where a job's changed file and its compiled sources are. @param {number} job */
function folderOf(job) {
  const folder = `${FOLDER}/${process.pid}${job}`;
  folders.add(folder);
  return folder;
}

const running = /** @type {Set<number>} */ (new Set());
/** @param {number} pid its group: vitest and the process that runs the tests */
function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
process.on('exit', () => {
  for (const pid of running) killGroup(pid);
  for (const folder of folders) rmSync(join(ROOT, folder), { recursive: true, force: true });
});
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => process.exit(130));

/**
 * Runs tests in order until one fails.
 * @param {string[]} tests
 * @param {number} job
 * @param {Record<string, string>} env
 * @param {number} seconds of the processor, for each process
 * @returns {Promise<Result>}
 */
async function run(tests, job, env, seconds) {
  const report = join(ROOT, folderOf(job), 'report.json');
  rmSync(report, { force: true });
  const began = Date.now();
  const child = spawn(
    '/bin/sh',
    [
      '-c',
      `ulimit -t ${seconds}; exec "$@"`,
      'sh',
      process.execPath,
      'node_modules/vitest/vitest.mjs',
      'run',
      '--mode=mutants',
      '--bail=1',
      '--reporter=json',
      `--outputFile=${report}`,
    ],
    {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, STILLWARM_MUTANTS: folderOf(job), STILLWARM_TESTS: tests.join(',') },
    },
  );
  const pid = child.pid ?? 0;
  running.add(pid);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    killGroup(pid);
  }, STUCK_MS);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      output = `${output}${String(data)}`.slice(-4000);
    });
  /** @type {[number | null, string | null]} */
  const [status, signal] = await new Promise((settle) => child.on('close', (code, by) => settle([code, by])));
  clearTimeout(timer);
  killGroup(pid);
  running.delete(pid);
  const ms = Date.now() - began;
  if (isLate || signal === 'SIGKILL') return { fate: 'timed out', by: '', title: '', ms };
  // Without a report no test was even looked for: that is no death.
  if (!existsSync(report)) throw new Error(`vitest wrote no report:\n${output}`);
  const { numTotalTests, testResults } = /** @type {Report} */ (JSON.parse(readFileSync(report, 'utf8')));
  if (status === 0) {
    if (numTotalTests === 0) throw new Error(`no test ran:\n${output}`);
    return { fate: 'survived', by: '', title: '', ms };
  }
  const failed = testResults.find((each) => each.status === 'failed');
  // No test failed, and yet the run did: the process of the tests had used its time.
  if (failed === undefined) return { fate: 'timed out', by: '', title: '', ms };
  const test = failed.assertionResults.find((each) => each.status === 'failed');
  return { fate: 'killed', by: failed.name.slice(ROOT.length), title: test?.title ?? '', ms };
}

/**
 * Puts a file in the place of a source, and nothing in that of all others.
 * @param {number} job
 * @param {string} [file]
 * @param {string} [content]
 */
function putInstead(job, file, content = '') {
  const folder = join(ROOT, folderOf(job));
  rmSync(join(folder, 'src'), { recursive: true, force: true });
  mkdirSync(join(folder, 'src'), { recursive: true });
  if (file === undefined) return;
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), content);
}

/** @type {Map<string, Promise<void>>} */
const baselines = new Map();
/**
 * How long the tests of a room take without a mutant. They must pass.
 * @param {string} room
 * @param {number} job
 */
async function measure(room, job) {
  putInstead(job);
  const { fate, by, title, ms } = await run(testsOf(room), job, {}, PLAIN_S);
  if (fate !== 'survived') throw new Error(`the tests of ${room} do not pass without a mutant: ${fate} ${by} ${title}`);
  console.log(`${room}: its tests take ${(ms / 1000).toFixed(1)} s`);
}
/** @param {string} room @param {number} job */
function baselineOf(room, job) {
  const known = baselines.get(room) ?? measure(room, job);
  baselines.set(room, known);
  return known;
}

/**
 * Where the fate of a mutant of this file is kept.
 * @param {Mutant} mutant
 */
const pathOf = (mutant) => join(FATES, hashOf(textOf(mutant.file), nameOf(mutant)).slice(0, 32));

/**
 * What the fate of a mutant depends on, besides its file: the tests that killed it, or all that did
 * not.
 * @param {Mutant} mutant
 * @param {Result} result
 */
const witnessOf = ({ room }, { by }) => (by === '' ? suiteHashOf(room) : hashOf(textOf(by)));

/**
 * What the last run of a mutant found, with whatever tests; undefined when it never ran.
 * @param {Mutant} mutant
 */
function keptOf(mutant) {
  if (!existsSync(pathOf(mutant))) return undefined;
  const kept = /** @type {Result & { witness: string }} */ (JSON.parse(readFileSync(pathOf(mutant), 'utf8')));
  return kept;
}

/**
 * @param {Mutant} mutant
 * @returns {Fate | undefined} undefined: it must run
 */
function keptFateOf(mutant) {
  const kept = keptOf(mutant);
  if (kept === undefined || (kept.by !== '' && !existsSync(join(ROOT, kept.by)))) return undefined;
  return kept.witness === witnessOf(mutant, kept) ? kept.fate : undefined;
}

/**
 * @param {Mutant} mutant
 * @param {number} job
 */
async function play(mutant, job) {
  await baselineOf(mutant.room, job);
  const { content, id } = await withSwitch(mutant, textOf(mutant.file));
  putInstead(job, mutant.file, content);
  const env = { __STRYKER_ACTIVE_MUTANT__: id };
  const result = await run(testsOf(mutant.room, mutant.file, keptOf(mutant)?.by), job, env, MUTANT_S);
  const kept = { mutant: nameOf(mutant), ...result, witness: witnessOf(mutant, result) };
  writeFileSync(pathOf(mutant), `${JSON.stringify(kept)}\n`);
  return result;
}

const all = await allMutants(resolve(ROOT));
const count = values.sample === 'all' ? all.length : Number(values.sample);
if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--sample ${values.sample}: not a number of mutants`);
const asked = all.filter(
  (mutant) => (values.room === undefined || mutant.room === values.room) && nameOf(mutant).includes(values.match),
);
const chosen = partOf(sampleOf(asked, count, Number(values.seed)), values.shard);
if (chosen.length === 0) throw new Error('no mutant is chosen');
console.log(`${all.length} mutants, of which ${chosen.length} are run`);

mkdirSync(FATES, { recursive: true });
const fates = /** @type {Map<string, Fate>} */ (new Map());
const queue = chosen.filter((mutant) => {
  const fate = keptFateOf(mutant);
  if (fate !== undefined) fates.set(nameOf(mutant), fate);
  return fate === undefined;
});
// Those that survived before come first: they are why one runs this again.
const isNews = (/** @type {Mutant} */ mutant) => (keptOf(mutant)?.fate === 'survived' ? 0 : 1);
queue.sort((a, b) => isNews(a) - isNews(b));
console.log(`${chosen.length - queue.length} of them ran before, and neither file nor tests changed`);

/** @param {number} job */
async function work(job) {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const { fate, by, title, ms } = await play(mutant, job);
    fates.set(nameOf(mutant), fate);
    console.log(`${fate} in ${(ms / 1000).toFixed(1)} s, ${queue.length} left: ${placeOf(mutant)} ${by} ${title}`);
  }
}
/** @param {Mutant} mutant */
const placeOf = ({ file, location, text }) => `${file}:${location.start.line + 1} ${text}`;

const jobs = Number(values.jobs);
if (!Number.isSafeInteger(jobs) || jobs < 1) throw new Error(`--jobs ${values.jobs}: not a number of processes`);
await Promise.all(Array.from({ length: jobs }, (_, job) => work(job)));

/** @param {string} name @param {Mutant[]} mutants */
function rowOf(name, mutants) {
  const having = (/** @type {Fate} */ fate) => mutants.filter((each) => fates.get(nameOf(each)) === fate).length;
  const score = 1 - having('survived') / mutants.length;
  const cells = [
    mutants.length,
    having('killed'),
    having('timed out'),
    having('survived'),
    `${(100 * score).toFixed(1)} %`,
  ];
  console.log(name.padEnd(14) + cells.map((cell) => String(cell).padStart(11)).join(''));
  return score;
}
console.log(
  `\n${'room'.padEnd(14)}${['mutants', 'killed', 'timed out', 'survived', 'score'].map((cell) => cell.padStart(11)).join('')}`,
);
for (const room of Object.keys(ROOMS)) {
  const mutants = chosen.filter((each) => each.room === room);
  if (mutants.length > 0) rowOf(room, mutants);
}
const score = rowOf('all', chosen);

const explained = /** @type {import('./mutant-sample.mjs').Explained[]} */ (JSON.parse(textOf(EXPLAINED)));
console.log('\nsurvivors:');
for (const mutant of chosen) if (fates.get(nameOf(mutant)) === 'survived') console.log(`  ${placeOf(mutant)}`);
const wrong = disagreements(all, fates, explained);
if (chosen.length >= MANY && score < LEAST_SCORE) wrong.push(`a score below ${100 * LEAST_SCORE} %`);
for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;
