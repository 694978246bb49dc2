/** The environment of a real process. */
import type { Env, Log, LogLevel } from '../base/env.js';
import { NodeClock } from './node-clock.js';
import { NodeExecutor } from './node-executor.js';
import { NodeFs } from './node-fs.js';
import { createNodeHost } from './node-host.js';
import { NodeLog } from './node-log.js';
import { NodeMemory } from './node-memory.js';
import { NodeNet } from './node-net.js';
import { NodeRandom } from './node-random.js';

export interface NodeEnvOptions {
  /** Default: a NodeLog on standard error. */
  readonly log?: Log;
  /** Lines below this level are discarded (also those of jobs). Default 'info'. */
  readonly logLevel?: LogLevel;
  /** See NodeFsOptions. */
  readonly keepAccessTimes?: boolean;
  /** See NodeExecutorOptions. */
  readonly workerUrl?: URL;
}

/** Composes it; no thread is started and no file opened before something is asked of it. */
export function createNodeEnv(options: NodeEnvOptions = {}): Env {
  const logLevel = options.logLevel ?? 'info';
  const log = options.log ?? new NodeLog({ level: logLevel });
  const host = createNodeHost();
  const workerUrl = options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl };
  return {
    clock: new NodeClock(),
    random: new NodeRandom(),
    fs: new NodeFs({ host, keepAccessTimes: options.keepAccessTimes ?? false }),
    executor: new NodeExecutor({ log, logLevel, ...workerUrl }),
    log,
    host,
    memory: new NodeMemory(),
    net: new NodeNet(),
    trace: process.env['RECOVERY_TRACE_METRICS'] === '1' ? traceToStderr : undefined,
  };
}

function traceToStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
