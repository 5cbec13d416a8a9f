// Apache in a guest: what its clients get, and what its log says.
import { describe, expect, it } from 'vitest';
import { parseAnswer, encodeRequest } from '../../src/experiment/host/web-host.ts';
import { SENDING } from '../../src/workload/apache.ts';
import { GUEST, served } from '../experiment/web/served.ts';

const SIZES = [0, 1, 4096, 70_001, 1_000_000];

describe('Apache', () => {
  it.each(SENDING)('Apache sends every file whole, whatever its size, by %s', (sending) => {
    const { serve, load, run, logLines, sys } = served({ sizes: SIZES, sending });
    const apache = serve();
    const clients = load();
    let file = 0;
    run(clients.closed(3, 0, () => (file < 2 * SIZES.length ? file++ % SIZES.length : undefined)));
    run(sys.settle());
    const expected = [...SIZES, ...SIZES].sort((a, b) => a - b);
    expect(clients.exchanges.map(({ bytes }) => bytes).sort((a, b) => a - b)).toEqual(expected);
    expect(clients.exchanges.every(({ isAnswered }) => isAnswered)).toBe(true);
    expect(apache.served).toBe(expected.length);
    expect(logLines().sort()).toEqual(
      SIZES.flatMap((size, n) => Array<string>(2).fill(`GET /${n} 200 ${size}`)).sort(),
    );
  });

  it('Apache answers what is missing, a directory and what is no request by its status', () => {
    const { serve, host, run, logLines } = served({ sizes: [10] });
    serve();
    const ask = (line: string): number | undefined =>
      run(
        (function* () {
          const connection = host.connection(GUEST);
          if ((yield* connection.open()) !== undefined) throw new Error('refused');
          const answer = yield* connection.request(encodeRequest([line]));
          host.close(connection);
          return typeof answer === 'string' ? undefined : parseAnswer(answer)?.status;
        })(),
      );
    expect(ask('GET /none HTTP/1.0')).toBe(404);
    expect(ask('GET /0/none HTTP/1.0')).toBe(404);
    expect(ask('POST /login HTTP/1.0')).toBe(400);
    expect(ask('what')).toBe(400);
    expect(ask('GET /0 HTTP/1.0')).toBe(200);
    expect(logLines()).toEqual([
      'GET /none 404 0',
      'GET /0/none 404 0',
      'GET /login 400 0',
      'GET - 400 0',
      'GET /0 200 10',
    ]);
  });

  it('Apache has as many requests under way as it has workers', () => {
    const times = [1, 2].map((workers) => {
      const { serve, load, run, simulation } = served({ sizes: [2_000_000, 2_000_000], workers });
      serve();
      const clients = load();
      let file = 0;
      const start = simulation.now;
      run(clients.closed(2, 0, () => (file < 2 ? file++ : undefined)));
      expect(clients.exchanges.every(({ isAnswered }) => isAnswered)).toBe(true);
      const first = Math.min(...clients.exchanges.map(({ endNs }) => endNs)) - start;
      const last = Math.max(...clients.exchanges.map(({ endNs }) => endNs)) - start;
      return last / first;
    });
    // One worker serves one after the other. Two share the line, and end together.
    expect(times[0]).toBeGreaterThan(1.9);
    expect(times[1]).toBeLessThan(1.1);
  });

  it('sendfile to a client copies once, where read and send copy twice', () => {
    const busy = SENDING.map((sending) => {
      const { serve, load, run, simulation } = served({ sizes: [65_536], sending, workers: 1 });
      serve();
      const ask = (): number => {
        const start = simulation.now;
        let left = 1;
        run(load().closed(1, 0, () => (left-- > 0 ? 0 : undefined)));
        return simulation.now - start;
      };
      ask();
      return ask();
    });
    expect(busy[0]).toBeLessThan(busy[1]!);
  });
});
