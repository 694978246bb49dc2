/**
 * Operation streams, drawn before the timed part: one per client, in typed arrays. Drawing knows
 * how many records are loaded and how many the whole workload inserts, not who is first; what
 * depends on that (the number of an inserted record, the newest record) is left to the runner.
 */
import { assert } from '../base/assert.js';
import { Prng } from '../base/prng.js';
import { type ChooserOptions, makeChooser } from './choosers.js';
import {
  INSERT,
  READ,
  READ_MODIFY_WRITE,
  SCAN,
  UPDATE,
  type Operation,
  type Workload,
} from './workloads.js';

export interface OperationStream {
  readonly count: number;
  /** READ, UPDATE, ... */
  readonly kinds: Uint8Array;
  /**
   * Record number; it may lie beyond the newest record when inserts race (the runner folds it
   * back). With the distribution latest: distance back from the newest record. Unused by INSERT.
   */
  readonly records: Uint32Array;
  /** Rows of a SCAN, at least 1; empty when the workload has no scans. */
  readonly scanLengths: Uint32Array;
}

export interface DrawOptions extends ChooserOptions {
  readonly clients: number;
  readonly operations: number;
  /** Records present when the workload starts, at least 1 unless it only inserts. */
  readonly records: number;
  /** Longest scan, rows; lengths are uniform from 1. */
  readonly scanLengthMax: number;
  readonly seed: number;
}

const KIND_OF: Readonly<Record<Operation, number>> = {
  read: READ,
  update: UPDATE,
  insert: INSERT,
  scan: SCAN,
  rmw: READ_MODIFY_WRITE,
};
const ORDER: readonly Operation[] = ['read', 'update', 'scan', 'rmw', 'insert'];

/** Streams of all clients together hold exactly `operations` operations. Deterministic in the seed. */
export function drawStreams(workload: Workload, options: DrawOptions): OperationStream[] {
  const kinds = drawKinds(workload, options);
  const inserts = kinds.reduce((count, kind) => count + (kind === INSERT ? 1 : 0), 0);
  const span = workload.distribution === 'latest' ? options.records : options.records + inserts;
  const chooser = makeChooser(workload.distribution, Math.max(1, span), options);
  const prng = new Prng(options.seed + 1);
  const scanMax = workload.scanLengthMax ?? options.scanLengthMax;
  const streams = emptyStreams(workload, options);
  // Operation i belongs to client i mod clients, so that a sequence is walked by all together.
  for (let i = 0; i < options.operations; i++) {
    const stream = streams[i % options.clients] as OperationStream;
    const at = Math.floor(i / options.clients);
    const kind = kinds[i] as number;
    stream.kinds[at] = kind;
    if (kind !== INSERT) stream.records[at] = chooser.next(prng);
    if (kind === SCAN) stream.scanLengths[at] = 1 + prng.below(scanMax);
  }
  return streams;
}

/** How many records the streams insert. */
export function countInserts(streams: readonly OperationStream[]): number {
  let inserts = 0;
  for (const stream of streams) for (const kind of stream.kinds) if (kind === INSERT) inserts++;
  return inserts;
}

function drawKinds(workload: Workload, options: DrawOptions): Uint8Array {
  const prng = new Prng(options.seed);
  const kinds = new Uint8Array(options.operations);
  const names = ORDER.filter((name) => workload.mix[name] > 0);
  assert(names.length > 0, 'draw: empty mix');
  for (let i = 0; i < kinds.length; i++) {
    let rest = prng.fraction();
    let chosen = names[names.length - 1] as Operation;
    for (const name of names) {
      rest -= workload.mix[name];
      if (rest < 0) {
        chosen = name;
        break;
      }
    }
    kinds[i] = KIND_OF[chosen];
  }
  return kinds;
}

function emptyStreams(workload: Workload, options: DrawOptions): OperationStream[] {
  const streams: OperationStream[] = [];
  for (let client = 0; client < options.clients; client++) {
    const count = Math.ceil(Math.max(0, options.operations - client) / options.clients);
    streams.push({
      count,
      kinds: new Uint8Array(count),
      records: new Uint32Array(count),
      scanLengths: new Uint32Array(workload.mix.scan > 0 ? count : 0),
    });
  }
  return streams;
}
