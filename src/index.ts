/**
 * The public API of `nokv`: an embedded, persistent key-value store.
 *
 * @example
 * import { open } from 'nokv';
 * const db = await open('./data');
 * await db.put('hello', 'world');
 * console.log(new TextDecoder().decode(db.get('hello')));
 * await db.close();
 */
import { type Db, openDb } from './engine/db.js';
import type { OpenOptions } from './engine/options.js';
import { TableWriter, type TableWriterOptions } from './engine/external/table-writer.js';
import { createNodeEnv } from './env/node-env.js';
import type { MetricsServer, MetricsServerOptions } from './server/metrics-server.js';

/**
 * Opens the database in `workdir`, creating it when it is not there.
 * @throws LockedError when another process holds it, CorruptionError, FormatError, ModeError, IoError,
 * NokvError with code NOKV_INVALID for a bad option; docs/errors.md
 */
export function open(workdir: string, options: OpenOptions = {}): Promise<Db> {
  return openDb(createNodeEnv(), workdir, options);
}

/**
 * Builds tables outside of any database, for `Db.ingest`: rows in the order of their keys, files in `directory`, which is
 * created when it is not there. Nothing is written before the first row. docs/external-tables.md
 * @throws NokvError NOKV_INVALID for a bad option
 */
export function openTableWriter(directory: string, options: TableWriterOptions = {}): TableWriter {
  return new TableWriter(createNodeEnv(), directory, options);
}

/**
 * Serves the stats of a database over HTTP: /debug/vars, /metrics, /debug/pprof/profile, /debug/pprof/heap. Without
 * access control, on 127.0.0.1 unless told otherwise. Node's HTTP code is loaded here, not with the library.
 * @throws IoError when the address cannot be taken
 */
export async function startMetricsServer(
  db: Db,
  options: MetricsServerOptions = {},
): Promise<MetricsServer> {
  const server = await import('./server/metrics-server.js');
  return server.startMetricsServer(db, options);
}

/** Options from a TOML file: `open(dir, await loadOptions('nokv.toml'))`. The parser is loaded by this call only. */
export { loadOptions } from './server/open-workdir.js';
/** `open` with an environment of the caller's making: another file system, clock or executor. */
export { openDb as openWithEnv } from './engine/db.js';
export type {
  Clock,
  Connection,
  ConnectionHandler,
  DirectoryLock,
  Env,
  Executor,
  Fs,
  FsFile,
  Host,
  ListenAddress,
  Listener,
  Log,
  Net,
  Random,
  Timer,
  TlsMaterial,
} from './base/env.js';
export type { DbIterator } from './engine/db-iterator.js';
export type { StoredEntry } from './engine/entry-scan.js';
export type { Row } from './engine/iterators/row-batch.js';
export type { Db } from './engine/db.js';
export type { CollectOptions, SegmentReport } from './engine/vlog/gc-picker.js';
export type { BuiltTable } from './engine/external/built-table.js';
export type { ExportRange, ExportTablesOptions } from './engine/external/export-tables.js';
export type { IngestedTable, IngestOptions, IngestResult } from './engine/external/ingest.js';
export type {
  TableDeleteOptions,
  TablePutOptions,
  TableWriter,
  TableWriterOptions,
} from './engine/external/table-writer.js';
export type {
  BatchInput,
  DeleteOptions,
  Key,
  PutOptions,
  ReadOptions,
  ScanOptions,
  Value,
  WriteOptions,
} from './engine/requests.js';
export type {
  CompactionPolicy,
  Compression,
  Durability,
  FamilyName,
  MemtableKind,
  OpenOptions,
  Options,
  PrefixFilter,
  ValuePolicy,
} from './engine/options.js';
export type { MetricsServer, MetricsServerOptions } from './server/metrics-server.js';
export type { Scan } from './engine/scan.js';
export type { Snapshot } from './engine/snapshot.js';
export type { BeginOptions } from './engine/txn/oracle.js';
export type { TransactionOptions, UpdateOptions } from './engine/txn/run.js';
export type {
  CommitOptions,
  Isolation,
  RollbackReason,
  Transaction,
  TxnDeleteOptions,
  TxnPutOptions,
  TxnReadOptions,
  TxnScanOptions,
} from './engine/txn/transaction.js';
export type { KeyVersion, VersionsOptions } from './engine/txn/versions.js';
export type { Savepoint } from './engine/txn/write-set.js';
export type { Stats } from './engine/stats.js';
export {
  BusyError,
  ChangedError,
  ClosedError,
  ConflictError,
  type ConflictReason,
  CorruptionError,
  FormatError,
  hasCode,
  IoError,
  LockedError,
  ModeError,
  NokvError,
  type NokvErrorCode,
  ReadOnlyError,
  TransactionDoneError,
  type TransactionEnd,
  TransactionTooLargeError,
} from './base/errors.js';
