/**
 * The settings of CONFIG GET and CONFIG SET. Few can change; the others are there because clients ask for them, and
 * say how things are. Texts of errors are those of Redis.
 */
import { GIB, MIB } from '../base/limits.js';
import { matchesGlob } from './glob-pattern.js';
import { BULK_BYTES_MAX } from './resp-reader.js';

/** always: every write waits for the disk. everysec: the disk has it within a second. no: when the system likes. */
export const APPEND_FSYNC = ['always', 'everysec', 'no'] as const;
export type AppendFsync = (typeof APPEND_FSYNC)[number];

export const CLIENTS_MAX_DEFAULT = 10_000;
const CLIENTS_MAX_LIMIT = 1_000_000;
const SLOWLOG_LENGTH_LIMIT = 100_000;

export interface GatewayConfigInput {
  readonly appendFsync?: AppendFsync;
  /** Empty: nobody is asked. */
  readonly password?: string;
  readonly clientsMax?: number;
  /** Seconds after which an idle client is closed; 0: never. */
  readonly timeoutSeconds?: number;
  /** Microseconds; negative: nothing is logged. */
  readonly slowlogMicroseconds?: number;
  /** Settings that cannot change, by name. */
  readonly fixed?: Readonly<Record<string, string>>;
}

interface Setting {
  readonly get: () => string;
  /** Returns what is wrong, or undefined when it is set. Absent: it cannot change. */
  readonly set?: (text: string) => string | undefined;
}

export class GatewayConfig {
  appendFsync: AppendFsync;
  password: Buffer;
  clientsMax: number;
  timeoutSeconds: number;
  slowlogMicroseconds: number;
  slowlogLength: number;
  bulkBytesMax: number;
  /** DEBUG SET-ACTIVE-EXPIRE: expired keys are removed in the background. */
  isExpiryActive: boolean;
  /** Called after something was set. */
  onChange: () => void;
  readonly #settings: ReadonlyMap<string, Setting>;

  constructor(input: GatewayConfigInput = {}) {
    this.appendFsync = input.appendFsync ?? 'everysec';
    this.password = Buffer.from(input.password ?? '');
    this.clientsMax = input.clientsMax ?? CLIENTS_MAX_DEFAULT;
    this.timeoutSeconds = input.timeoutSeconds ?? 0;
    this.slowlogMicroseconds = input.slowlogMicroseconds ?? 10_000;
    this.slowlogLength = 128;
    this.bulkBytesMax = BULK_BYTES_MAX;
    this.isExpiryActive = true;
    this.onChange = () => undefined;
    this.#settings = new Map([...this.#changing(), ...fixedSettings(input.fixed ?? {})]);
  }

  /** Names and values, of which the name matches one of the patterns. */
  matching(patterns: readonly Buffer[]): [name: string, value: string][] {
    const lower = patterns.map((pattern) => Buffer.from(pattern.toString('latin1').toLowerCase()));
    const found: [string, string][] = [];
    for (const [name, setting] of this.#settings) {
      const bytes = Buffer.from(name);
      if (lower.some((pattern) => matchesGlob(pattern, bytes))) found.push([name, setting.get()]);
    }
    return found;
  }

  /** Sets all or none. Returns the text of an error, without its code. */
  setAll(pairs: readonly (readonly [name: string, value: string])[]): string | undefined {
    const names = new Set<string>();
    for (const [name, value] of pairs) {
      const problem = this.#problemOf(name, value, names);
      if (problem !== undefined) return problem;
    }
    const undo: (() => void)[] = [];
    for (const [name, value] of pairs) {
      const setting = this.#settings.get(name);
      const before = setting?.get() ?? '';
      const problem = setting?.set?.(value);
      if (problem !== undefined) {
        for (const step of undo.reverse()) step();
        return failed(name, problem);
      }
      undo.push(() => setting?.set?.(before));
    }
    this.onChange();
    return undefined;
  }

  #problemOf(name: string, value: string, names: Set<string>): string | undefined {
    const setting = this.#settings.get(name);
    if (setting === undefined) {
      return `Unknown option or number of arguments for CONFIG SET - '${name}'`;
    }
    if (names.has(name)) return failed(name, 'duplicate parameter');
    names.add(name);
    // What is so already may be set.
    if (setting.set === undefined && setting.get() !== value) {
      return failed(name, "can't set immutable config");
    }
    return undefined;
  }

  #changing(): [string, Setting][] {
    return [
      [
        'appendfsync',
        {
          get: () => this.appendFsync,
          set: (text) => {
            const chosen = APPEND_FSYNC.find((one) => one === text.toLowerCase());
            if (chosen === undefined) {
              return 'argument(s) must be one of the following: everysec, always, no';
            }
            this.appendFsync = chosen;
            return undefined;
          },
        },
      ],
      [
        'requirepass',
        {
          get: () => this.password.toString(),
          set: (text) => {
            this.password = Buffer.from(text);
            return undefined;
          },
        },
      ],
      number('maxclients', 1, CLIENTS_MAX_LIMIT, this, 'clientsMax'),
      number('timeout', 0, 2 ** 31 - 1, this, 'timeoutSeconds'),
      number('slowlog-log-slower-than', -1, 2 ** 53 - 1, this, 'slowlogMicroseconds'),
      number('slowlog-max-len', 0, SLOWLOG_LENGTH_LIMIT, this, 'slowlogLength'),
      number('proto-max-bulk-len', MIB, BULK_BYTES_MAX, this, 'bulkBytesMax'),
    ];
  }
}

type NumberField =
  'clientsMax' | 'timeoutSeconds' | 'slowlogMicroseconds' | 'slowlogLength' | 'bulkBytesMax';

function number(
  name: string,
  min: number,
  max: number,
  config: Record<NumberField, number>,
  field: NumberField,
): [string, Setting] {
  return [
    name,
    {
      get: () => config[field].toString(),
      set: (text) => {
        const value = parseSize(text);
        if (value === undefined) return "argument couldn't be parsed into an integer";
        if (value < min || value > max) {
          return `argument must be between ${min} and ${max} inclusive`;
        }
        config[field] = value;
        return undefined;
      },
    },
  ];
}

/** An integer, maybe with a unit as in redis.conf. */
function parseSize(text: string): number | undefined {
  const match = /^(-?\d{1,16})(b|k|kb|m|mb|g|gb)?$/i.exec(text);
  if (match === null) return undefined;
  const unit = UNITS[(match[2] ?? 'b').toLowerCase()] ?? 1;
  return Number(match[1]) * unit;
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1_000_000,
  mb: MIB,
  g: 1_000_000_000,
  gb: GIB,
};

function failed(name: string, why: string): string {
  return `CONFIG SET failed (possibly related to argument '${name}') - ${why}`;
}

/** How things are, in the words of redis.conf. */
const FIXED: Readonly<Record<string, string>> = {
  save: '',
  appendonly: 'yes',
  maxmemory: '0',
  'maxmemory-policy': 'noeviction',
  databases: '1',
  'tcp-keepalive': '60',
  'tcp-backlog': '511',
  'cluster-enabled': 'no',
  'client-query-buffer-limit': GIB.toString(),
  'client-output-buffer-limit': 'normal 0 0 0 slave 0 0 0 pubsub 0 0 0',
  'io-threads': '1',
  hz: '10',
  'notify-keyspace-events': '',
  'protected-mode': 'no',
  'rename-command': '',
  'lazyfree-lazy-user-flush': 'no',
};

function fixedSettings(given: Readonly<Record<string, string>>): [string, Setting][] {
  return Object.entries({ ...FIXED, ...given }).map(([name, value]) => [
    name,
    { get: () => value },
  ]);
}
