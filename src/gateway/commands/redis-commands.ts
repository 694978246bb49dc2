/**
 * Every command of Redis 7.0 by its group, and why those that are not here are not: for the error of a client that
 * calls one, and for `nokv redis compat`.
 */

/** Names, lower case, with a space between them. */
const NAMES: Readonly<Record<string, string>> = {
  string:
    'append decr decrby get getdel getex getrange getset incr incrby incrbyfloat lcs mget mset msetnx ' +
    'psetex set setex setnx setrange strlen substr',
  bitmap: 'bitcount bitfield bitfield_ro bitop bitpos getbit setbit',
  generic:
    'copy del dump exists expire expireat expiretime keys migrate move object persist pexpire pexpireat ' +
    'pexpiretime pttl randomkey rename renamenx restore scan sort sort_ro touch ttl type unlink wait',
  connection: 'auth client echo hello ping quit reset select',
  transactions: 'discard exec multi unwatch watch',
  server:
    'acl bgrewriteaof bgsave command config dbsize debug failover flushall flushdb info lastsave latency ' +
    'lolwut memory module monitor psync replconf replicaof restore-asking role save shutdown slaveof ' +
    'slowlog swapdb sync time',
  scripting: 'eval eval_ro evalsha evalsha_ro fcall fcall_ro function script',
  hash:
    'hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx ' +
    'hstrlen hvals',
  list:
    'blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange ' +
    'lrem lset ltrim rpop rpoplpush rpush rpushx',
  set:
    'sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember smove spop ' +
    'srandmember srem sscan sunion sunionstore',
  'sorted-set':
    'bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore ' +
    'zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore ' +
    'zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore ' +
    'zrevrank zscan zscore zunion zunionstore',
  stream:
    'xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid ' +
    'xtrim',
  geo:
    'geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro ' +
    'geosearch geosearchstore',
  hyperloglog: 'pfadd pfcount pfdebug pfmerge pfselftest',
  pubsub:
    'psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe unsubscribe',
  cluster: 'asking cluster readonly readwrite',
};

const COLLECTIONS = 'values are strings; keep a collection in keys of its own';
const ALONE = 'it is one server of its own';

/** Why a whole group is missing, as the end of a sentence. */
const GROUP_REASONS: Readonly<Record<string, string>> = {
  hash: `there are no hashes: ${COLLECTIONS}`,
  list: `there are no lists: ${COLLECTIONS}`,
  set: `there are no sets: ${COLLECTIONS}`,
  'sorted-set': `there are no sorted sets: ${COLLECTIONS}`,
  stream: `there are no streams: ${COLLECTIONS}`,
  geo: `there are no sorted sets: ${COLLECTIONS}`,
  hyperloglog: 'there are no HyperLogLogs',
  pubsub: 'nothing is pushed to clients',
  scripting: 'there are no scripts and functions; use MULTI and WATCH',
  cluster: ALONE,
};

const REASONS: Readonly<Record<string, string>> = {
  failover: `there are no replicas: ${ALONE}`,
  psync: `there are no replicas: ${ALONE}`,
  replconf: `there are no replicas: ${ALONE}`,
  replicaof: `there are no replicas: ${ALONE}`,
  slaveof: `there are no replicas: ${ALONE}`,
  sync: `there are no replicas: ${ALONE}`,
  monitor: 'nothing is pushed to clients; see SLOWLOG',
  sort: 'there are no lists and sets to sort',
  sort_ro: 'there are no lists and sets to sort',
  dump: 'values have no form of their own outside: use GET',
  restore: 'values have no form of their own outside: use SET',
  'restore-asking': 'values have no form of their own outside: use SET',
  migrate: `there is no other server to move keys to: ${ALONE}`,
};

const REASON_OTHERWISE = 'it is not written yet';

export interface RedisCommand {
  readonly name: string;
  readonly group: string;
}

/** Sorted by group, then by name. */
export function redisCommands(): RedisCommand[] {
  return Object.entries(NAMES).flatMap(([group, names]) =>
    names.split(' ').map((name) => ({ name, group })),
  );
}

/** Why a command of Redis would be missing. */
export function reasonOf({ name, group }: RedisCommand): string {
  return REASONS[name] ?? GROUP_REASONS[group] ?? REASON_OTHERWISE;
}

/** What is missing of commands that are here. */
export const PARTLY: Readonly<Record<string, string>> = {
  acl: 'WHOAMI and USERS only: there is one user, "default", with the password of requirepass',
  auth: 'the one user is "default"',
  client: 'TRACKING cannot be switched on, so CACHING is refused; UNBLOCK finds nobody',
  command: 'no arguments in DOCS',
  config: 'few settings can change; REWRITE is refused',
  debug: 'SLEEP, RELOAD, LOADAOF, SET-ACTIVE-EXPIRE only',
  function: 'FLUSH and LIST only',
  latency: 'HISTOGRAM only: no events are recorded',
  memory: 'USAGE, DOCTOR, PURGE only; sizes are estimates',
  move: 'there is one database',
  module: 'LIST only: there are no modules',
  object: 'ENCODING goes by the value alone: APPEND makes none raw; FREQ is refused, IDLETIME is 0',
  script: 'FLUSH and EXISTS only',
  select: 'there is one database, 0',
  shutdown: 'data is always kept; no ABORT',
  swapdb: 'there is one database',
  wait: 'there are no replicas: answers 0 at once',
};
