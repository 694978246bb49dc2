/**
 * The first half of an ingest, in a worker: checks external tables and gives each of them a place in the workdir, under
 * a number of its own: a second name for the file, or a copy. Nothing refers to them yet; recovery takes them for orphans.
 *
 * All or nothing: on any error what was created is removed, and the sources are as they were. On success files and
 * directory are durable.
 */
import { compareArrays } from '../../base/bytes.js';
import type { FsFile, JobEnv } from '../../base/env.js';
import { ClosedError, IoError, NokvError } from '../../base/errors.js';
import { MIB } from '../../base/limits.js';
import { BlockCache } from '../cache/block-cache.js';
import { FAMILY_DEFAULT, FAMILY_SYSTEM } from '../key.js';
import type { ExternalFacts } from '../sst/external-facts.js';
import { TableReader } from '../sst/table-reader.js';
import type { TableMeta } from '../table-meta.js';

export interface IngestSource {
  readonly path: string;
  /** Where in the workdir it goes. */
  readonly target: string;
}

export interface IngestJob {
  readonly kind: 'ingest';
  readonly directory: string;
  readonly sources: readonly IngestSource[];
  /** A second name instead of a copy, where the file system can do it. */
  readonly isLinked: boolean;
  /** Every checksum and the order of all entries; else footer and properties only. */
  readonly isVerified: boolean;
  /** One Int32; not zero asks the job to stop. It ends with ClosedError. */
  readonly cancel?: SharedArrayBuffer | undefined;
}

/** An external table in the workdir. */
export interface PlacedTable extends IngestSource {
  /** As the file has it: relative numbers, no file number. */
  readonly meta: TableMeta;
  readonly facts: ExternalFacts;
}

const PIECE_BYTES = MIB;
/** What a file system says that has no second names, or not there, or not for a symlink. */
const NO_LINK: ReadonlySet<string> = new Set([
  'EXDEV',
  'EPERM',
  'EMLINK',
  'ENOTSUP',
  'ENOSYS',
  'EACCES',
]);

/** Runs the job; the generator's return value is its result. */
export function* runIngest(job: IngestJob, env: JobEnv): Generator<void, PlacedTable[], void> {
  const placed: PlacedTable[] = [];
  for (const source of job.sources) {
    mustGoOn(job);
    placed.push(checkSource(source, job, env));
    yield;
  }
  checkDisjoint(placed);
  const created: string[] = [];
  let isDone = false;
  try {
    for (const source of job.sources) {
      mustGoOn(job);
      if (!job.isLinked || !maybeLink(env, source, created)) yield* copy(env, source, job, created);
      yield;
    }
    env.fs.syncDirectory(job.directory);
    isDone = true;
    return placed;
  } finally {
    if (!isDone) removeTables(env, created);
  }
}

function mustGoOn({ cancel }: IngestJob): void {
  if (cancel !== undefined && Atomics.load(new Int32Array(cancel), 0) !== 0)
    throw new ClosedError('finish a background job');
}

/** Removes tables that nothing refers to; one that stays is an orphan, which the next open removes. */
export function removeTables(env: Pick<JobEnv, 'fs' | 'log'>, paths: readonly string[]): void {
  for (const path of paths) {
    try {
      env.fs.remove(path);
    } catch (error) {
      env.log.write('warn', 'ingested table left behind', { path, error: String(error) });
    }
  }
}

function checkSource(source: IngestSource, job: IngestJob, env: JobEnv): PlacedTable {
  const { path } = source;
  const stat = env.fs.stat(path);
  if (stat === undefined) {
    throw new NokvError('NOKV_NOT_FOUND', `Cannot ingest ${path}: there is no such file`, {
      details: { file: path, offset: 0 },
      hint: 'Check the path',
    });
  }
  if (stat.isDirectory) throw refused(path, 'it is a directory', 0);
  const reader = TableReader.openAlone(env.fs, path, new BlockCache(0));
  try {
    const { partBytes, meta } = reader;
    const propertiesAt = partBytes.data + partBytes.filter + partBytes.index + partBytes.tombstones;
    const { external } = reader.properties();
    if (external === undefined) throw refused(path, 'it is a table of a database', propertiesAt);
    if (meta.valueLog.length > 0) throw refused(path, 'it points into a value log', propertiesAt);
    const isOfUsers =
      (meta.lower[0] as number) >= FAMILY_DEFAULT && (meta.upper[0] as number) < FAMILY_SYSTEM;
    if (!isOfUsers || meta.minSeq < 1)
      throw refused(path, 'it has keys or numbers of no user', propertiesAt);
    if (job.isVerified) {
      const damage = reader.verify(() => mustGoOn(job))[0];
      if (damage !== undefined) throw damage;
    }
    return { ...source, meta, facts: external };
  } finally {
    reader.close();
  }
}

function refused(path: string, why: string, offset: number): NokvError {
  return new NokvError('NOKV_INVALID', `Cannot ingest ${path}: ${why}`, {
    hint: 'Make tables with "nokv sst build", "nokv sst export" or openTableWriter',
    details: { file: path, offset },
  });
}

/** @throws NokvError NOKV_INVALID naming two that share keys, as two copies of one table do */
function checkDisjoint(placed: readonly PlacedTable[]): void {
  const sorted = [...placed].sort((a, b) => compareArrays(a.meta.lower, b.meta.lower));
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1] as PlacedTable;
    const table = sorted[i] as PlacedTable;
    if (compareArrays(before.meta.upper, table.meta.lower) <= 0) continue;
    const isSame = before.meta.identity === table.meta.identity;
    throw new NokvError(
      'NOKV_INVALID',
      `Cannot ingest ${before.path} and ${table.path} together: ${isSame ? 'they are the same table' : 'their key ranges overlap'}`,
      {
        hint: 'Ingest them one after the other, the one with the newer rows last',
        details: { file: table.path, offset: 0, other: before.path },
      },
    );
  }
}

/** False where the file system has no second names, and for a symlink: its file is not given away, so it is copied. */
function maybeLink(env: JobEnv, { path, target }: IngestSource, created: string[]): boolean {
  const { fs } = env;
  try {
    fs.link(path, target);
  } catch (error) {
    if (error instanceof IoError && NO_LINK.has(error.errno)) return false;
    throw error;
  }
  created.push(target);
  let file: FsFile;
  try {
    file = fs.open(target, 'update');
  } catch (error) {
    if (!(error instanceof IoError) || !NO_LINK.has(error.errno)) throw error;
    // Somebody else's file, which may be read only: a copy can be synced.
    fs.remove(target);
    created.pop();
    return false;
  }
  try {
    file.syncBlocking();
  } finally {
    file.close();
  }
  return true;
}

function* copy(
  env: JobEnv,
  { path, target }: IngestSource,
  job: IngestJob,
  created: string[],
): Generator<void, void, void> {
  const from = env.fs.open(path, 'read');
  try {
    const to = env.fs.open(target, 'create');
    created.push(target);
    try {
      const piece = new Uint8Array(PIECE_BYTES);
      let at = 0;
      for (let count = from.read(piece, 0, PIECE_BYTES, 0); count > 0;) {
        writeAll(to, piece, count, at);
        at += count;
        yield;
        mustGoOn(job);
        count = from.read(piece, 0, PIECE_BYTES, at);
      }
      to.syncBlocking();
    } finally {
      to.close();
    }
  } finally {
    from.close();
  }
}

function writeAll(file: FsFile, bytes: Uint8Array, length: number, position: number): void {
  for (let done = 0; done < length;) {
    const count = file.write(bytes, done, length - done, position + done);
    if (count <= 0)
      throw new IoError({ op: 'write', path: file.path, errno: 'EIO', bytes: length });
    done += count;
  }
}
