/**
 * The drive of a profile from the times of a scratch file.
 *
 * The model charges a read alone in parts: system call, block layer, latency, transfer, interrupt,
 * switch back to the reader. What was timed is the sum. So the rate comes from the difference of
 * long and short requests. The latency is what remains of a short one without the other parts.
 */

import type { NvmeConstant, Profile } from '../../machine/profile.ts';
import { type Calibration, type Figure, type Finding, mapped } from './figures.ts';
import type { ScratchTimes } from './scratch.ts';

const PAGE = 4096;
/** A drive that holds what it was just asked for answers in less than so much of the time. */
const CACHED_SHARE = 0.7;
/** Shorter than any flash takes: another host, or the drive's own memory, has answered, ns. */
const SHORTEST_FLASH_NS = 30_000;

/** What surrounds a request on its way to the drive and back. */
export interface AroundRequest {
  /** What node takes besides the system call, ns. */
  readonly nodeNs: number;
  readonly syscallNs: number;
  readonly switchNs: number;
}

/** @param base profile from which comes what cannot be told apart */
export function driveFindings(
  times: ScratchTimes,
  around: AroundRequest,
  base: Profile,
  drive: Profile['disk'],
): Calibration {
  const { shortRead, shortReadAgain, longRead, shortWrite, longWrite, longBytes } = times;
  const { bioSubmitNs, interruptNs } = base.guest;
  const commandNs = drive.kind === 'nvme' ? drive.constants.commandNs.value : 0;
  const outside = around.nodeNs + around.syscallNs + bioSubmitNs.value + interruptNs.value + around.switchNs;
  const long = longBytes / (1 << 10);
  const findings = [
    ...direction('read', shortRead, longRead, outside),
    ...direction('write', shortWrite, longWrite, outside + commandNs),
  ];
  const share = shortReadAgain.median / shortRead.median;
  const remarks = [
    `a direct read of 4 KiB took ${us(shortRead)}, of the same place again ${us(shortReadAgain)}; a write ${us(shortWrite)}`,
    ...(share < CACHED_SHARE || shortRead.median < SHORTEST_FLASH_NS
      ? [
          'something below the file system caches what it holds: a host, a controller, or the drive; a cold read may take longer',
        ]
      : []),
  ];
  return { findings, remarks };

  function direction(which: 'read' | 'write', short: Figure, longer: Figure, besides: number): Finding[] {
    const [latency, rate] = [`${which}LatencyNs`, `${which}MBps`] as const satisfies readonly NvmeConstant[];
    const extra = longBytes - PAGE;
    const how = `direct ${which}s, 4 KiB against ${long} KiB`;
    // A longer time is a lower rate.
    const rateOf = (ns: number): number => (extra * 1000) / (ns - short.median);
    const rates: Figure = {
      median: rateOf(longer.median),
      low: rateOf(longer.high),
      high: rateOf(Math.max(longer.low, short.median + (longer.median - short.median) / 10)),
    };
    if (!(longer.median > short.median))
      return [latency, rate].map((each) => ({
        name: `disk.${each}`,
        why: `a long ${which} took no longer than a short one`,
      }));
    const transferNs = (PAGE * 1000) / rates.median;
    const alone = mapped(short, (ns) => ns - besides - transferNs);
    const latencies: Finding =
      alone.median > 0
        ? {
            name: `disk.${latency}`,
            ...mapped(alone, (ns) => Math.max(0, ns)),
            how: `direct ${which}s of 4 KiB at random places; less ${Math.round(besides + transferNs)} ns for node, system call, block layer, interrupt, switch and transfer`,
          }
        : { name: `disk.${latency}`, why: `a ${which} takes no longer than what surrounds it` };
    return [latencies, { name: `disk.${rate}`, ...rates, how }];
  }
}

const us = ({ median, low, high }: Figure): string =>
  `${(median / 1000).toFixed(1)} µs (${(low / 1000).toFixed(1)} to ${(high / 1000).toFixed(1)})`;
