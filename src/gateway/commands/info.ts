/** INFO: figures in sections, in the words of Redis where there is one, with nokv_ before those that are ours. */
import { ALL_KEYS, type KeyspaceView } from '../backend.js';
import type { Client, Server, SessionCommand } from '../client.js';
import type { Reply } from '../reply.js';
import { REDIS_VERSION } from './connection.js';
import { sessionCommand } from './session-command.js';

type Fields = readonly (readonly [name: string, value: string | number])[];

const SECONDS_PER_DAY = 86_400;

function server({ facts, runId, startedMs, clock }: Server): Fields {
  const seconds = Math.max(0, Math.floor((clock.nowMs() - startedMs) / 1000));
  return [
    ['redis_version', REDIS_VERSION],
    ['redis_git_sha1', '00000000'],
    ['redis_mode', 'standalone'],
    ['nokv_version', facts.nokvVersion],
    ['os', facts.os],
    ['arch_bits', 64],
    ['multiplexing_api', 'libuv'],
    ['nodejs_version', facts.nodeVersion],
    ['process_id', facts.pid],
    ['run_id', runId],
    ['tcp_port', facts.port],
    ['server_time_usec', clock.nowMs() * 1000],
    ['uptime_in_seconds', seconds],
    ['uptime_in_days', Math.floor(seconds / SECONDS_PER_DAY)],
    ['hz', 10],
    ['executable', 'nokv redis'],
    ['config_file', ''],
  ];
}

function clients({ clients: all, config }: Server): Fields {
  let input = 0;
  let output = 0;
  for (const { inputBytes, outputBytes } of all.values()) {
    input = Math.max(input, inputBytes);
    output = Math.max(output, outputBytes);
  }
  return [
    ['connected_clients', all.size],
    ['cluster_connections', 0],
    ['maxclients', config.clientsMax],
    ['client_recent_max_input_buffer', input],
    ['client_recent_max_output_buffer', output],
    ['blocked_clients', 0],
    ['tracking_clients', 0],
  ];
}

function memory({ facts }: Server): Fields {
  const { rss, heapUsed, heapTotal } = facts.process();
  return [
    ['used_memory', rss],
    ['used_memory_human', human(rss)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['used_memory_peak', rss],
    ['nokv_heap_used', heapUsed],
    ['nokv_heap_total', heapTotal],
    ['maxmemory', 0],
    ['maxmemory_human', '0B'],
    ['maxmemory_policy', 'noeviction'],
    ['mem_allocator', 'v8'],
  ];
}

function human(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(2)}M`;
}

function persistence({ backend, config, lastSaveMs, facts }: Server): Fields {
  return [
    ['loading', 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', 0],
    ['rdb_last_save_time', Math.floor(lastSaveMs / 1000)],
    ['rdb_last_bgsave_status', 'ok'],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
    ['aof_rewrite_scheduled', 0],
    ['aof_last_bgrewrite_status', 'ok'],
    ['aof_last_write_status', backend.hasFailed === true ? 'err' : 'ok'],
    ['nokv_appendfsync', config.appendFsync],
    ['nokv_workdir', facts.workdir],
    ...[...facts.store()].map(([name, value]) => [`nokv_${name}`, value] as const),
  ];
}

function stats({ backend, counters, slowlog }: Server): Fields {
  return [
    ['total_connections_received', counters.connectionsAccepted],
    ['total_commands_processed', counters.commands],
    ['instantaneous_ops_per_sec', counters.commandsPerSecond],
    ['total_net_input_bytes', counters.bytesIn],
    ['total_net_output_bytes', counters.bytesOut],
    ['rejected_connections', counters.connectionsRefused],
    ['expired_keys', backend.expiredKeys ?? 0],
    ['evicted_keys', 0],
    ['total_error_replies', counters.errors],
    ['acl_access_denied_auth', counters.authFailures],
    ['nokv_slow_commands', counters.slowCommands],
    ['nokv_slowlog_length', slowlog.length],
  ];
}

function replication({ runId }: Server): Fields {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', runId],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
  ];
}

function cpu({ facts }: Server): Fields {
  const { userSeconds, systemSeconds } = facts.process();
  return [
    ['used_cpu_sys', systemSeconds.toFixed(6)],
    ['used_cpu_user', userSeconds.toFixed(6)],
  ];
}

function commandStats({ table }: Server): Fields {
  return table.entries
    .filter(({ calls, rejected }) => calls + rejected > 0)
    .map(({ name, calls, failed, rejected, totalMs }) => {
      const usec = Math.round(1000 * totalMs);
      const each = calls === 0 ? 0 : usec / calls;
      const text =
        `calls=${calls},usec=${usec},usec_per_call=${each.toFixed(2)},` +
        `rejected_calls=${rejected},failed_calls=${failed}`;
      return [`cmdstat_${name}`, text] as const;
    });
}

function errorStats({ counters }: Server): Fields {
  return [...counters.errorsByCode].map(([code, count]) => [`errorstat_${code}`, `count=${count}`]);
}

/** In the order of their printing; keyspace comes last, because it asks the store. */
const SECTIONS: Readonly<Record<string, (server: Server) => Fields>> = {
  Server: server,
  Clients: clients,
  Memory: memory,
  Persistence: persistence,
  Stats: stats,
  Replication: replication,
  CPU: cpu,
  Modules: () => [],
  Commandstats: commandStats,
  Errorstats: errorStats,
  Cluster: () => [['cluster_enabled', 0]],
};
const ONLY_WHEN_ASKED = ['Commandstats'];
const KEYSPACE = 'Keyspace';

function info(client: Client, args: readonly Buffer[]): Reply | Promise<Reply> {
  const asked = new Set(args.slice(1).map((arg) => arg.toString('latin1', 0, 32).toLowerCase()));
  const isAll = asked.has('all') || asked.has('everything');
  const isDefault = asked.size === 0 || asked.has('default');
  const has = (name: string): boolean =>
    isAll || asked.has(name.toLowerCase()) || (isDefault && !ONLY_WHEN_ASKED.includes(name));
  let text = '';
  for (const [name, fieldsOf] of Object.entries(SECTIONS)) {
    if (has(name)) text += sectionText(name, fieldsOf(client.server), text);
  }
  if (!has(KEYSPACE)) return text;
  const whole = (fields: Fields): string => text + sectionText(KEYSPACE, fields, text);
  const fields = client.server.backend.update(ALL_KEYS, keyspaceFields);
  return fields instanceof Promise ? fields.then(whole) : whole(fields);
}

/** The mean of the times to live would take a scan: it is 0. */
function keyspaceFields(view: KeyspaceView): Fields {
  const keys = view.size();
  return keys === 0 ? [] : [['db0', `keys=${keys},expires=${view.expiring()},avg_ttl=0`]];
}

function sectionText(name: string, fields: Fields, before: string): string {
  const lines = fields.map(([field, value]) => `${field}:${value}\r\n`).join('');
  return `${before === '' ? '' : '\r\n'}# ${name}\r\n${lines}`;
}

export const INFO_COMMANDS: readonly SessionCommand[] = [
  sessionCommand(
    'info',
    -1,
    ['loading', 'stale'],
    'server',
    '1.0.0',
    'Figures of the server, in sections.',
    info,
  ),
];
