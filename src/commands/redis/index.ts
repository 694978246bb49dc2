import { integer, option, string } from '@oclif/core/flags';
import { NokvError } from '../../base/errors.js';
import { BaseCommand } from '../../cli/base-command.js';
import { optionsFlag } from '../../cli/flags.js';
import { formatCountOf, formatDuration } from '../../cli/format.js';
import type { HostPort, RedisNode, RedisNodeOptions } from '../../server/redis-node.js';

const LISTENING = 'LISTENING';
const CLIENTS = 'CLIENTS';

export default class Redis extends BaseCommand<typeof Redis> {
  static override summary = 'Serve a database to Redis clients.';
  static override description =
    'Speaks RESP2 and RESP3 on TCP, TLS and a Unix socket; creates the workdir when it is not there. Serves until SIGINT ' +
    'or SIGTERM: then it answers what it has received, makes everything durable and ends with status 0. With --json it ' +
    'prints a line when it is ready and a last one when it has stopped. docs/redis.md says what is supported.';
  static override examples = [
    '<%= config.bin %> redis --workdir ./work_redis',
    '<%= config.bin %> redis --workdir ./work_redis --appendfsync always --metrics-addr 127.0.0.1:9100',
    'NOKV_REDIS_PASSWORD=secret <%= config.bin %> redis --workdir ./work_redis --unix-socket /tmp/nokv.sock',
  ];
  static override flags = {
    workdir: string({
      char: 'w',
      description: 'directory of the database',
      env: 'NOKV_WORKDIR',
      helpValue: 'DIR',
      default: './work_redis',
    }),
    addr: string({
      description: 'address to listen on; port 0 takes any free one, "none" listens on no TCP port',
      env: 'NOKV_REDIS_ADDR',
      helpValue: 'HOST:PORT',
      helpGroup: LISTENING,
      default: '127.0.0.1:6380',
    }),
    'unix-socket': string({
      description: 'path of a Unix socket to listen on (default none)',
      env: 'NOKV_REDIS_UNIX_SOCKET',
      helpValue: 'PATH',
      helpGroup: LISTENING,
    }),
    'tls-port': integer({
      description: 'port to listen on with TLS, on the host of --addr (default none)',
      env: 'NOKV_REDIS_TLS_PORT',
      helpGroup: LISTENING,
      min: 0,
      max: 65_535,
    }),
    'tls-cert': string({
      description: 'certificate of the server, PEM (default none)',
      env: 'NOKV_REDIS_TLS_CERT',
      helpValue: 'FILE',
      helpGroup: LISTENING,
    }),
    'tls-key': string({
      description: 'its key, PEM (default none)',
      env: 'NOKV_REDIS_TLS_KEY',
      helpValue: 'FILE',
      helpGroup: LISTENING,
    }),
    'tls-ca': string({
      description: 'clients need a certificate of this one, PEM (default: they need none)',
      env: 'NOKV_REDIS_TLS_CA',
      helpValue: 'FILE',
      helpGroup: LISTENING,
    }),
    'metrics-addr': string({
      description: 'address of /debug/vars and /metrics (default none)',
      env: 'NOKV_METRICS_ADDR',
      helpValue: 'HOST:PORT',
      helpGroup: LISTENING,
    }),
    requirepass: string({
      description:
        'password that clients must give (default none); others on the machine see arguments: prefer the variable',
      env: 'NOKV_REDIS_PASSWORD',
      helpValue: 'PASSWORD',
      helpGroup: CLIENTS,
      noCacheDefault: true,
    }),
    maxclients: integer({
      description: 'clients at a time',
      env: 'NOKV_REDIS_MAXCLIENTS',
      helpGroup: CLIENTS,
      default: 10_000,
      min: 1,
      max: 1_000_000,
    }),
    timeout: integer({
      description: 'seconds after which an idle client is closed; 0: never (default 0)',
      env: 'NOKV_REDIS_TIMEOUT',
      helpGroup: CLIENTS,
      default: 0,
      min: 0,
    }),
    appendfsync: option({
      description:
        'what an answered write survives: always = power loss, everysec = power loss but for the last second, no = kill -9',
      env: 'NOKV_REDIS_APPENDFSYNC',
      options: ['always', 'everysec', 'no'] as const,
      default: 'everysec' as const,
    })(),
    'slowlog-log-slower-than': integer({
      description: 'microseconds from which a command is in SLOWLOG; -1: none is',
      env: 'NOKV_REDIS_SLOWLOG_LOG_SLOWER_THAN',
      default: 10_000,
      min: -1,
    }),
    options: optionsFlag,
  };

  override async run(): Promise<void> {
    const { flags } = this;
    const startMs = performance.now();
    const { signal } = this;
    const { startRedisNode } = await import('../../server/redis-node.js');
    const node = await startRedisNode(nodeOptions(flags, this.config.version));
    try {
      await this.#sayReady(node, performance.now() - startMs);
      await untilStopped(node, signal);
      this.note('stopping: clients get their replies, data becomes durable');
    } finally {
      await node.stop();
    }
    if (this.jsonEnabled()) await this.jsonLine({ end: true, commands: node.commands });
    else await this.output.line(`stopped after ${formatCountOf(node.commands, 'command')}`);
  }

  async #sayReady(node: RedisNode, elapsedMs: number): Promise<void> {
    const { flags } = this;
    const keys = await node.keyCount();
    if (this.jsonEnabled()) {
      await this.jsonLine({
        event: 'ready',
        workdir: flags.workdir,
        addresses: node.addresses,
        port: node.port,
        tls_port: node.tlsPort,
        metrics: node.metricsUrl ?? null,
        keys,
        pid: process.pid,
      });
    } else {
      for (const line of this.#banner(node, keys, elapsedMs)) await this.output.line(line);
    }
    await this.output.flush();
  }

  #banner(node: RedisNode, keys: number, elapsedMs: number): string[] {
    const { flags } = this;
    const socket = flags['unix-socket'];
    const where =
      node.port > 0 ? `-p ${node.port}` : socket === undefined ? undefined : `-s ${socket}`;
    const password = flags.requirepass === undefined ? '' : ' --askpass';
    return [
      `NoKV serves Redis clients, ready in ${formatDuration(elapsedMs)}`,
      `  workdir   ${flags.workdir}, ${formatCountOf(keys, 'key')}`,
      `  listens   ${node.addresses.join(', ')}`,
      `  durable   appendfsync ${flags.appendfsync}`,
      ...(node.metricsUrl === undefined ? [] : [`  metrics   ${node.metricsUrl}/debug/vars`]),
      ...(where === undefined ? [] : [`  Try       redis-cli ${where}${password} set hello world`]),
      '  Stop      Ctrl-C',
    ];
  }
}

/** Resolves at a signal, or when a client said SHUTDOWN. */
function untilStopped(node: RedisNode, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return Promise.race([aborted, node.shutdownAsked]);
}

type Flags = Redis['flags'];

function nodeOptions(flags: Flags, nokvVersion: string): RedisNodeOptions {
  const address = flags.addr === 'none' ? undefined : parseAddress(flags.addr);
  const metrics = flags['metrics-addr'];
  const tls = tlsOptions(flags, address?.host ?? '127.0.0.1');
  const unixSocket = flags['unix-socket'];
  if (address === undefined && tls === undefined && unixSocket === undefined) {
    throw new NokvError('NOKV_INVALID', 'Cannot serve: there is nothing to listen on', {
      hint: 'With --addr none give --unix-socket, or --tls-port with its files',
    });
  }
  return {
    workdir: flags.workdir,
    optionsFile: flags.options,
    address,
    unixSocket,
    tls,
    metrics: metrics === undefined ? undefined : parseAddress(metrics),
    password: flags.requirepass,
    appendFsync: flags.appendfsync,
    clientsMax: flags.maxclients,
    timeoutSeconds: flags.timeout,
    slowlogMicroseconds: flags['slowlog-log-slower-than'],
    nokvVersion,
  };
}

function tlsOptions(flags: Flags, host: string): RedisNodeOptions['tls'] {
  const port = flags['tls-port'];
  const certFile = flags['tls-cert'];
  const keyFile = flags['tls-key'];
  const caFile = flags['tls-ca'];
  if ([port, certFile, keyFile, caFile].every((one) => one === undefined)) return undefined;
  if (port === undefined || certFile === undefined || keyFile === undefined) {
    throw new NokvError('NOKV_INVALID', 'Cannot listen with TLS: something is missing', {
      hint: 'Give --tls-port, --tls-cert and --tls-key together, for --tls-ca too',
    });
  }
  return { host, port, certFile, keyFile, caFile };
}

/** "127.0.0.1:6380", "[::1]:6380", ":6380" for every address of the machine. */
function parseAddress(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new NokvError(
      'NOKV_INVALID',
      `Cannot read address "${text}": write it like 127.0.0.1:6380`,
      {
        hint: 'Give a host, a colon and a port',
      },
    );
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '::' : host, port };
}
