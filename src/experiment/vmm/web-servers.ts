/** The services of the guests of a machine: each has a web server, started after boot. */

import { checkObject } from '../../base/argument-error.ts';
import type { Task } from '../../sim/index.ts';
import { WebServer } from '../../workload/web-server.ts';
import type { GuestServices, VmmGuest } from '../host/machine-room.ts';

export class WebServers implements GuestServices {
  readonly #servers = new Map<string, { readonly server: WebServer; readonly task: Task }>();

  start(guest: VmmGuest): void {
    checkObject('guest', guest, 'config', 'domain', 'kernel');
    const { config, domain, kernel } = guest;
    const server = new WebServer(kernel.syscalls, true);
    this.#servers.set(config.name, { server, task: domain.environment.spawn('httpd', server.run()) });
  }

  stop(name: string): void {
    const running = this.#servers.get(name);
    running?.task.kill();
    running?.server.close();
  }
}
