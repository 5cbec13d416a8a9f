// The 32-bit Linux of Debian that v86 runs. apt fetches its packages into a folder of ours, and has
// its state there, too. So nothing of the system changes, and no command needs root.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where Debian says which mirror it uses. */
const SOURCES = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'];
/** The kernel of Debian's newest release that runs on a processor without PAE, as v86's is. */
const KERNEL = 'linux-image-686';

/**
 * Fetches and unpacks kernel, busybox and SeaBIOS, unless the folder has them.
 * @param {string} folder
 * @returns {string} the folder in which their files are
 */
export function debianFiles(folder) {
  const root = join(folder, 'root');
  const done = join(folder, 'unpacked');
  if (existsSync(done)) return root;
  rmSync(root, { recursive: true, force: true });
  const packages = join(folder, 'packages');
  rmSync(packages, { recursive: true, force: true });
  mkdirSync(packages, { recursive: true });
  const apt = aptIn(folder);
  try {
    apt('apt-get', 'update');
  } catch {
    // Apt has said which lists it lacks. One of them is enough.
    console.error('apt-get update has failed: going on with the lists that there are');
  }
  const image = /^Depends: (linux-image-\S+)/m.exec(apt('apt-cache', 'show', '--no-all-versions', KERNEL))?.[1];
  if (image === undefined) throw new Error(`apt knows no ${KERNEL} of i386: see ${SOURCES.join(', ')}`);
  apt('apt-get', 'download', image, 'busybox-static', 'seabios');
  for (const name of readdirSync(packages)) execFileSync('dpkg-deb', ['-x', join(packages, name), root]);
  writeFileSync(done, readdirSync(packages).sort().join('\n'));
  return root;
}

/**
 * Runs a program of apt for i386, with its state in a folder.
 * @param {string} folder
 */
function aptIn(folder) {
  const sources = SOURCES.find(existsSync);
  if (sources === undefined) throw new Error(`Debian is needed: there is no ${SOURCES.join(' and no ')}`);
  for (const each of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, 'apt', each), { recursive: true });
  const config = join(folder, 'apt/apt.conf');
  writeFileSync(
    config,
    [
      'APT::Architecture "i386";',
      'APT::Architectures { "i386"; };',
      'APT::Sandbox::User "root";',
      'Acquire::Languages "none";',
      `Dir::State "${folder}/apt/state";`,
      'Dir::State::status "/dev/null";',
      `Dir::Cache "${folder}/apt/cache";`,
      'Dir::Etc::sourceparts "-";',
      `Dir::Etc::sourcelist "${sources}";\n`,
    ].join('\n'),
  );
  const env = { ...process.env, APT_CONFIG: config };
  return (/** @type {string} */ program, /** @type {string[]} */ ...args) =>
    execFileSync(program, args, {
      ...{ cwd: join(folder, 'packages'), env, encoding: 'utf8', maxBuffer: 1 << 28 },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
}
