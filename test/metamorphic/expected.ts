/** What the model answers to every step of a program: the history that all runs must repeat. */
import { SIM_START_MS } from '../../src/env/sim-clock.js';
import {
  Model,
  MODEL_FAMILIES,
  type ModelRead,
  type ModelRow,
  type ModelSnapshot,
  type ModelWrite,
} from '../model.js';
import {
  type Program,
  type ReadSpec,
  type ScanSpec,
  type Step,
  valueText,
  type WriteSpec,
} from './program.js';

/**
 * An answer: values, or keys and values in turn, as latin-1 text; null for an absent value. undefined: the
 * step has no answer, or did nothing.
 */
export type Answer = readonly (string | null)[] | undefined;

/** Open snapshot and scan slots decide whether a step does anything. */
export function expectedAnswers(program: Program): Answer[] {
  const run = new ModelRun();
  return program.steps.map((step) => run.answer(step));
}

class ModelRun {
  readonly #model: Model;
  readonly #snapshots: Map<number, ModelSnapshot>;
  readonly #scans: Map<number, ModelRow[]>;

  constructor() {
    this.#model = new Model(SIM_START_MS);
    this.#snapshots = new Map();
    this.#scans = new Map();
  }

  answer(step: Step): Answer {
    const model = this.#model;
    switch (step.op) {
      case 'write':
        return this.#write([step.write]);
      case 'batch':
        return this.#write(step.writes);
      case 'burst':
        return this.#write(step.calls.flat());
      case 'advance':
        model.nowMs += step.ms;
        return undefined;
      case 'maintain':
      case 'turns':
        return undefined;
      case 'openSnapshot':
        this.#snapshots.set(step.slot, model.snapshot());
        return undefined;
      case 'closeSnapshot':
        this.#snapshots.delete(step.slot);
        return undefined;
      case 'openScan': {
        const rows = this.#scan(step.scan);
        if (rows !== undefined) this.#scans.set(step.slot, rows);
        return undefined;
      }
      case 'closeScan':
        this.#scans.delete(step.slot);
        return undefined;
      case 'reopen':
        this.#snapshots.clear();
        this.#scans.clear();
        return undefined;
      case 'get':
      case 'has':
      case 'getMany':
      case 'scan':
      case 'readScan':
        return this.#query(step);
      case 'checkAll':
        return this.#everything();
    }
  }

  #query(step: Extract<Step, { op: 'get' | 'has' | 'getMany' | 'scan' | 'readScan' }>): Answer {
    const model = this.#model;
    if (step.op === 'readScan') {
      const rows = this.#scans.get(step.slot);
      return rows === undefined ? undefined : flat(rows.splice(0, step.count));
    }
    if (step.op === 'scan') {
      const rows = this.#scan(step.scan);
      return rows === undefined ? undefined : flat(rows);
    }
    const read = this.#read(step.read);
    if (read === undefined) return undefined;
    if (step.op === 'has') return [String(model.has(step.key, read))];
    const keys = step.op === 'get' ? [step.key] : step.keys;
    return keys.map((key) => model.get(key, read) ?? null);
  }

  #write(writes: readonly WriteSpec[]): undefined {
    this.#model.write(...writes.map((write) => modelWrite(write, this.#model.nowMs)));
    return undefined;
  }

  #scan(spec: ScanSpec): ModelRow[] | undefined {
    const read = this.#read(spec);
    if (read === undefined) return undefined;
    const { range, reverse, limit, keysOnly } = spec;
    return this.#model.scan({
      ...read,
      ...range,
      reverse,
      keysOnly,
      ...(limit < 0 ? {} : { limit }),
    });
  }

  /** undefined when the snapshot is not open. */
  #read(spec: ReadSpec): ModelRead | undefined {
    const snapshot = this.#snapshots.get(spec.snapshot);
    if (spec.snapshot >= 0 && snapshot === undefined) return undefined;
    return {
      family: spec.family,
      snapshot,
      version: spec.version === 0 ? undefined : spec.version,
    };
  }

  #everything(): Answer {
    return MODEL_FAMILIES.flatMap((family) => {
      const rows = this.#model.scan({ family });
      const reversed = this.#model.scan({ family, reverse: true });
      return [...flat(rows), ...flat(reversed), ...rows.map((row) => row.value)];
    });
  }
}

export function modelWrite(write: WriteSpec, nowMs: number): ModelWrite {
  if (write.type !== 'put') return write;
  const { type, family, key, version } = write;
  const expiresAt = write.expiresIn === 0 ? 0 : nowMs + write.expiresIn;
  return { type, family, key, value: valueText(write.value), expiresAt, version };
}

function flat(rows: readonly ModelRow[]): string[] {
  return rows.flatMap(({ key, value }) => [key, value]);
}
