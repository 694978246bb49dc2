/**
 * An HTTP endpoint that a host process may start beside its database:
 *
 *   /debug/vars                     expvar: {"cmdline", "memstats", "NoKV.Stats"}; what `nokv stats --expvar` reads
 *   /metrics                        Prometheus text
 *   /debug/pprof/profile?seconds=N  CPU profile of the main thread (default 5, at most 300); ends with its request
 *   /debug/pprof/heap               heap snapshot
 *
 * It has no access control: it listens on 127.0.0.1 unless told otherwise. It keeps the process alive until
 * it is closed, and outlives its database: stats of a closed one are answered with 503.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../base/env.js';
import { IoError, NokvError } from '../base/errors.js';
import { checkNames } from '../engine/requests.js';
import { NodeClock } from '../env/node-clock.js';
import { commandLine, memoryFigures } from '../env/process-facts.js';
import { cpuProfile, heapSnapshot } from './profiler.js';
import { prometheusText } from './prometheus.js';

export interface MetricsServerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
}

/** What is asked: a database, or one with a server around it. */
export interface StatsSource {
  stats(): object;
}

export interface MetricsServer {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`. */
  readonly url: string;
  /** Ends open connections and stops listening. Idempotent. */
  close(): Promise<void>;
}

const PROFILE_SECONDS_DEFAULT = 5;
const PROFILE_SECONDS_MAX = 300;
const PORT_MAX = 65_535;

const OPTION_NAMES = new Set(['port', 'host']);

/** Starts listening. @throws IoError when the address cannot be taken; TypeError, RangeError for a bad option */
export async function startMetricsServer(
  source: StatsSource,
  options: MetricsServerOptions = {},
): Promise<MetricsServer> {
  checkNames(options, OPTION_NAMES);
  const { port = 0, host = '127.0.0.1' } = options;
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
    throw new RangeError(`Cannot listen: port must be an integer from 0 to ${PORT_MAX}`);
  }
  if (typeof host !== 'string' || host === '') {
    throw new TypeError('Cannot listen: host must be a name or an address');
  }
  const endpoint = new Endpoint(source, new NodeClock());
  const server = createServer((request, response) => {
    void endpoint.answer(request, response);
  });
  await listen(server, host, port);
  const address = server.address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    host,
    port: actual,
    url: `http://${name}:${actual}`,
    close: () => close(server),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const errno = error.code ?? 'EINVAL';
      reject(new IoError({ op: 'listen', path: `${host}:${port}`, errno }, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

class Endpoint {
  readonly #source: StatsSource;
  readonly #clock: Clock;
  #isProfiling: boolean;

  constructor(source: StatsSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    this.#isProfiling = false;
  }

  /** Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        send(response, 405, 'text/plain', 'only GET\n');
        return;
      }
      const url = targetOf(request.url ?? '/');
      if (url === undefined) send(response, 404, 'text/plain', NOT_HERE);
      else await this.#route(url, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else if (error instanceof NokvError) send(response, 503, 'text/plain', `${error.message}\n`);
      else send(response, 500, 'text/plain', `${String(error)}\n`);
    }
  }

  async #route(url: URL, response: ServerResponse): Promise<void> {
    switch (url.pathname.replace(/(.)\/+$/, '$1')) {
      case '/debug/vars':
        return send(
          response,
          200,
          'application/json',
          `${JSON.stringify(this.#vars(), null, 2)}\n`,
        );
      case '/metrics':
        return send(response, 200, PROMETHEUS_TYPE, prometheusText(this.#source.stats()));
      case '/debug/pprof/profile':
        return this.#exclusive(response, () => this.#profile(url, response));
      case '/debug/pprof/heap':
        return this.#exclusive(response, () => sendHeap(response));
      case '/':
        return send(response, 200, 'text/plain', INDEX);
      default:
        return send(response, 404, 'text/plain', NOT_HERE);
    }
  }

  #vars(): Record<string, unknown> {
    const { rss, heapTotal, heapUsed, external, arrayBuffers } = memoryFigures();
    return {
      cmdline: commandLine(),
      memstats: {
        Alloc: heapUsed,
        Sys: rss,
        HeapAlloc: heapUsed,
        HeapSys: heapTotal,
        External: external,
        ArrayBuffers: arrayBuffers,
      },
      'NoKV.Stats': this.#source.stats(),
    };
  }

  /** One profile at a time: two would measure each other. */
  async #exclusive(response: ServerResponse, work: () => Promise<void>): Promise<void> {
    if (this.#isProfiling) {
      send(response, 409, 'text/plain', 'another profile is being taken\n');
      return;
    }
    this.#isProfiling = true;
    try {
      await work();
    } finally {
      this.#isProfiling = false;
    }
  }

  async #profile(url: URL, response: ServerResponse): Promise<void> {
    const text = url.searchParams.get('seconds');
    const seconds = text === null ? PROFILE_SECONDS_DEFAULT : Number(text);
    if (!(seconds > 0 && seconds <= PROFILE_SECONDS_MAX)) {
      send(response, 400, 'text/plain', `seconds is from 0 to ${PROFILE_SECONDS_MAX}\n`);
      return;
    }
    // Of a client that has gone, the next one need not wait for the end.
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const profile = await cpuProfile(this.#clock, seconds * 1000, gone.signal);
    if (gone.signal.aborted) return;
    download(response, 'nokv.cpuprofile');
    response.end(profile);
  }
}

const PROMETHEUS_TYPE = 'text/plain; version=0.0.4';
const INDEX = '/debug/vars\n/metrics\n/debug/pprof/profile?seconds=5\n/debug/pprof/heap\n';
const NOT_HERE = `not here; try:\n${INDEX}`;

/** The target of a request: a path, or a whole URL, as proxies are sent it; undefined when it is neither. */
function targetOf(text: string): URL | undefined {
  // Put behind a host, as "//metrics" alone would be one.
  const whole = text.startsWith('/') ? `http://localhost${text}` : text;
  return URL.canParse(whole) ? new URL(whole) : undefined;
}

async function sendHeap(response: ServerResponse): Promise<void> {
  download(response, 'nokv.heapsnapshot');
  await heapSnapshot((text) => response.write(text));
  response.end();
}

function download(response: ServerResponse, name: string): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-disposition': `attachment; filename="${name}"`,
  });
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}
