/**
 * The manifest of a database that is open read-only: a version that another process wrote. It takes no
 * edit; `replace` moves it on when the other process has.
 */
import { ReadOnlyError } from '../../base/errors.js';
import type { LogPosition } from '../record-log.js';
import type { Manifest } from './manifest-log.js';
import type { LoadedManifest } from './manifest-reader.js';
import type { Version } from './version.js';

export class FixedManifest implements Manifest {
  #loaded: LoadedManifest;
  #version: Version;

  /** `version` may know more value-log files than the loaded one. */
  constructor(loaded: LoadedManifest, version: Version) {
    this.#loaded = loaded;
    this.#version = version;
  }

  replace(loaded: LoadedManifest, version: Version): void {
    this.#loaded = loaded;
    this.#version = version;
  }

  get fileNumber(): number {
    return this.#loaded.fileNumber;
  }

  get path(): string {
    return this.#loaded.path;
  }

  get bytes(): number {
    return this.#loaded.tail.bytes;
  }

  get version(): Version {
    return this.#version;
  }

  get failure(): undefined {
    return undefined;
  }

  get isRewriteDue(): boolean {
    return false;
  }

  syncedPosition(): LogPosition {
    const { tail, fileNumber } = this.#loaded;
    return { fileNumber, bytes: tail.bytes, chain: tail.chain };
  }

  append(): never {
    throw refused();
  }

  rewrite(): never {
    throw refused();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  syncBlocking(): void {
    // Nothing was written.
  }

  close(): void {
    // No file is held.
  }
}

function refused(): ReadOnlyError {
  return new ReadOnlyError('Cannot change the manifest: the database is open read-only');
}
