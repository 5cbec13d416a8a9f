/**
 * A queue in virtual time: clients arrive at random, and one server takes the same time for each.
 * The mean wait is that of an M/D/1 queue, and one seed gives one answer. 26 lines of code.
 */

// In a project of your own: from 'stillwarm/base' and 'stillwarm/sim'.
import { Ns } from '../src/base/index.ts';
import { type Process, Simulation, WaitQueue } from '../src/sim/index.ts';

const SERVICE_NS = 1_000_000;

/** Mean ns from arrival to the start of service, at a load of 0 to 1. */
export function meanWait(load: number, clients: number, seed: number): number {
  const simulation = new Simulation(seed);
  const chance = simulation.random.stream('arrivals');
  const free = new WaitQueue('the server');
  let isBusy = false;
  let waited = 0;

  function* client(): Process {
    const arrived = simulation.now;
    while (isBusy) yield free;
    isBusy = true;
    waited += simulation.now - arrived;
    yield Ns(SERVICE_NS);
    isBusy = false;
    free.wakeOne();
  }

  function* arrivals(): Process {
    for (let n = 0; n < clients; n++) {
      simulation.spawn(`client ${n}`, client());
      yield Ns(Math.round((-Math.log(1 - chance.fraction()) * SERVICE_NS) / load));
    }
  }

  simulation.spawn('arrivals', arrivals());
  simulation.run();
  return waited / clients;
}
