/** What flush and compaction jobs must keep readable, as of now. */
import type { Env } from '../base/env.js';
import type { Retention } from './compaction/drop-rules.js';
import type { SnapshotRegistry } from './snapshot.js';

export class RetentionSource {
  readonly #env: Env;
  readonly #snapshots: SnapshotRegistry;
  readonly #visibleSeq: () => number;

  constructor(env: Env, snapshots: SnapshotRegistry, visibleSeq: () => number) {
    this.#env = env;
    this.#snapshots = snapshots;
    this.#visibleSeq = visibleSeq;
  }

  current(): Retention {
    const visible = this.#visibleSeq();
    const pinned = this.#snapshots.pinned().filter((seq) => seq < visible);
    return {
      pinnedSeqs: [...pinned, visible],
      // Managed versions are kept until a safe point is set; ordinary ones follow the sequence numbers.
      keepVersionsFrom: 0,
      tombstoneFloor: 0,
      nowMs: this.#snapshots.oldestMs() ?? this.#env.clock.nowMs(),
    };
  }
}
