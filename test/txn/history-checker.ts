/**
 * Judges a history of transactions: is it one that snapshot isolation allows, and one that serializability allows?
 * The order of the versions of each key is known (by commit number), so that no guessing is needed.
 *
 * Dependencies between committed transactions, after Adya (2000):
 *   wr  one read what the other wrote
 *   ww  one wrote the version after the other's
 *   rw  one read the version before the other's: a point, or a key of a range, there or not
 *   rt  one was acknowledged before the other began
 * Serializable: no cycle. Snapshot isolation (Cerone and Gotsman, 2018): no cycle without two rw in a row, so no cycle
 * in "ww, wr or rt, and then perhaps rw".
 *
 * Besides, of both: nothing that was read comes from a transaction that did not commit (dirty), or is a value that
 * its writer replaced itself (intermediate), and a transaction reads what it has written itself.
 */

/** What a read found: who wrote it, and as which of its writes; undefined: nothing there. */
export interface Found {
  readonly writer: number;
  readonly write: number;
}

export type Op =
  | {
      readonly type: 'write';
      readonly key: string;
      readonly write: number;
      readonly isDelete?: boolean;
    }
  | { readonly type: 'read'; readonly key: string; readonly found: Found | undefined }
  | {
      readonly type: 'range';
      /** Half-open. */
      readonly lower: string;
      readonly upper: string;
      readonly rows: ReadonlyMap<string, Found>;
    };

export interface Txn {
  /** From 1. */
  readonly id: number;
  readonly ops: readonly Op[];
  /** Its place among the commits; undefined: it did not commit. */
  readonly commit: number | undefined;
  /** The commits up to which it says that it reads: tells which absence of a key it has read. */
  readonly snapshot?: number;
  /** Moments of begin and of the end as its caller saw them; undefined: not known. */
  readonly began?: number;
  readonly ended?: number;
}

export interface Verdict {
  /** Words for each thing that is wrong; empty: allowed. */
  readonly snapshot: readonly string[];
  readonly serializable: readonly string[];
}

type Graph = Map<number, Set<number>>;

export function judge(history: readonly Txn[]): Verdict {
  const wrong = new Judge(history);
  return wrong.verdict();
}

interface Version {
  /** 0: the version before all, absent. */
  readonly writer: number;
  readonly isAbsent: boolean;
}

const NOTHING: Version = { writer: 0, isAbsent: true };

class Judge {
  readonly #byId: Map<number, Txn>;
  readonly #committed: readonly Txn[];
  /** Of each key: its versions in their order, the absent one before all first. */
  readonly #versions: Map<string, Version[]>;
  readonly #firm: Graph;
  readonly #anti: Graph;
  readonly #wrong: string[];

  constructor(history: readonly Txn[]) {
    this.#byId = new Map(history.map((txn) => [txn.id, txn]));
    this.#committed = history
      .filter((txn) => txn.commit !== undefined)
      .sort((a, b) => (a.commit as number) - (b.commit as number));
    this.#versions = versionsOf(this.#committed);
    this.#firm = new Map();
    this.#anti = new Map();
    this.#wrong = [];
    for (const txn of history) this.#checkReads(txn);
    for (const versions of this.#versions.values()) {
      for (let i = 2; i < versions.length; i++)
        this.#edge(this.#firm, versions[i - 1] as Version, versions[i] as Version);
    }
    this.#addRealTime();
  }

  verdict(): Verdict {
    const snapshot = [...this.#wrong];
    const serializable = [...this.#wrong];
    const unstable = cycleIn(composed(this.#firm, this.#anti));
    if (unstable !== undefined)
      snapshot.push(`cycle without two anti-dependencies in a row: ${unstable}`);
    const cycle = cycleIn(union(this.#firm, this.#anti));
    if (cycle !== undefined) serializable.push(`cycle: ${cycle}`);
    return { snapshot, serializable };
  }

  /** Reads of transactions that did not commit count, too: they must not have seen what cannot be seen. */
  #checkReads(txn: Txn): void {
    const own = new Map<string, Op & { type: 'write' }>();
    for (const op of txn.ops) {
      if (op.type === 'write') own.set(op.key, op);
      else if (op.type === 'read') this.#checkRead(txn, op.key, op.found, own.get(op.key));
      else this.#checkRange(txn, op, own);
    }
  }

  #checkRange(
    txn: Txn,
    op: Op & { type: 'range' },
    own: ReadonlyMap<string, Op & { type: 'write' }>,
  ): void {
    const keys = new Set([...this.#versions.keys(), ...own.keys(), ...op.rows.keys()]);
    for (const key of keys) {
      if (key < op.lower || key >= op.upper) continue;
      this.#checkRead(txn, key, op.rows.get(key), own.get(key));
    }
  }

  #checkRead(
    txn: Txn,
    key: string,
    found: Found | undefined,
    own: (Op & { type: 'write' }) | undefined,
  ): void {
    if (own !== undefined) {
      const isOwn =
        own.isDelete === true
          ? found === undefined
          : found?.writer === txn.id && found.write === own.write;
      if (!isOwn) this.#wrong.push(`${txn.id} does not read its own write of ${key}`);
      return;
    }
    const version =
      found === undefined ? this.#absentVersion(txn, key) : this.#foundVersion(txn, key, found);
    if (version === undefined || txn.commit === undefined) return;
    const versions = this.#versions.get(key) ?? [NOTHING];
    const at = versions.indexOf(version);
    this.#edge(this.#firm, version, { writer: txn.id, isAbsent: false });
    const next = versions[at + 1];
    if (next !== undefined) this.#edge(this.#anti, { writer: txn.id, isAbsent: false }, next);
  }

  #foundVersion(txn: Txn, key: string, found: Found): Version | undefined {
    const writer = this.#byId.get(found.writer);
    const versions = this.#versions.get(key) ?? [];
    const version = versions.find((one) => one.writer === found.writer && !one.isAbsent);
    if (writer?.commit === undefined || version === undefined) {
      this.#wrong.push(`dirty: ${txn.id} reads ${key} of ${found.writer}, which did not commit it`);
      return undefined;
    }
    if (lastWrite(writer, key)?.write !== found.write) {
      this.#wrong.push(
        `intermediate: ${txn.id} reads ${key} of ${found.writer}, which replaced it`,
      );
    }
    return version;
  }

  /**
   * Nothing there may be the version before all, or any delete: the last one that the transaction can be known to
   * have begun behind.
   */
  #absentVersion(txn: Txn, key: string): Version {
    const versions = this.#versions.get(key) ?? [NOTHING];
    const horizon = this.#horizonOf(txn);
    const seen = versions.filter(
      ({ writer, isAbsent }) =>
        isAbsent && (writer === 0 || (this.#byId.get(writer)?.commit as number) <= horizon),
    );
    return seen.at(-1) ?? NOTHING;
  }

  /** The highest commit that the transaction says, or shows, that it has begun behind. */
  #horizonOf(txn: Txn): number {
    let horizon = txn.snapshot ?? 0;
    for (const op of txn.ops) {
      const found =
        op.type === 'read' ? [op.found] : op.type === 'range' ? [...op.rows.values()] : [];
      for (const one of found) {
        if (one === undefined || one.writer === txn.id) continue;
        horizon = Math.max(horizon, this.#byId.get(one.writer)?.commit ?? 0);
      }
    }
    for (const other of this.#committed) {
      if (isBefore(other, txn)) horizon = Math.max(horizon, other.commit as number);
    }
    return horizon;
  }

  #addRealTime(): void {
    for (const one of this.#committed) {
      for (const other of this.#committed) {
        if (isBefore(one, other)) add(this.#firm, one.id, other.id);
      }
    }
  }

  #edge(graph: Graph, from: Version, to: Version): void {
    if (from.writer !== 0 && from.writer !== to.writer) add(graph, from.writer, to.writer);
  }
}

function isBefore(one: Txn, other: Txn): boolean {
  return one.ended !== undefined && other.began !== undefined && one.ended < other.began;
}

function lastWrite(txn: Txn, key: string): (Op & { type: 'write' }) | undefined {
  return txn.ops.findLast(
    (op): op is Op & { type: 'write' } => op.type === 'write' && op.key === key,
  );
}

function versionsOf(committed: readonly Txn[]): Map<string, Version[]> {
  const versions = new Map<string, Version[]>();
  for (const txn of committed) {
    const keys = new Set(txn.ops.flatMap((op) => (op.type === 'write' ? [op.key] : [])));
    for (const key of keys) {
      const list = versions.get(key) ?? [NOTHING];
      list.push({ writer: txn.id, isAbsent: lastWrite(txn, key)?.isDelete ?? false });
      versions.set(key, list);
    }
  }
  return versions;
}

function add(graph: Graph, from: number, to: number): void {
  if (from === to) return;
  const known = graph.get(from);
  if (known === undefined) graph.set(from, new Set([to]));
  else known.add(to);
}

function union(a: Graph, b: Graph): Graph {
  const both: Graph = new Map();
  for (const graph of [a, b])
    for (const [from, targets] of graph) for (const to of targets) add(both, from, to);
  return both;
}

/** a, and a followed by b. A step that comes back to its start is a cycle of its own. */
function composed(a: Graph, b: Graph): Graph {
  const both = union(a, new Map());
  for (const [from, targets] of a) {
    for (const middle of targets) {
      for (const to of b.get(middle) ?? []) {
        const known = both.get(from) as Set<number>;
        known.add(to);
      }
    }
  }
  return both;
}

/** The members of a cycle, or undefined when there is none. */
function cycleIn(graph: Graph): string | undefined {
  const state = new Map<number, 'open' | 'done'>();
  const path: number[] = [];
  const visit = (node: number): string | undefined => {
    if (state.get(node) === 'done') return undefined;
    if (state.get(node) === 'open') return path.slice(path.indexOf(node)).join(' -> ');
    state.set(node, 'open');
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const found = visit(next);
      if (found !== undefined) return found;
    }
    path.pop();
    state.set(node, 'done');
    return undefined;
  };
  for (const node of graph.keys()) {
    const found = visit(node);
    if (found !== undefined) return found;
  }
  return undefined;
}
