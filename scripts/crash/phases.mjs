/**
 * Says in which phase the engine is, and can hold it there: an Env around another one that sees the
 * calls of the main thread. Phases:
 *
 *   open                    from the start to the open database
 *   flush, compaction, gc   from the start of the job to the durable version edit; a compaction
 *                           that moves values is called gc
 *   rotation                creation of a log segment, to the manifest's note of it
 *   rewrite                 creation of a manifest, to the durable swap of CURRENT
 *   close
 */

/** `announce(line)` must reach the parent before it returns; `hold()` waits for the kill. */
export function watchEnv(env, { announce, hold, holdAt }) {
  const watch = new PhaseWatch(announce, hold, holdAt);
  return {
    watch,
    env: { ...env, fs: watchFs(env.fs, watch), executor: watchExecutor(env, watch) },
  };
}

class PhaseWatch {
  constructor(announce, hold, holdAt) {
    this.announce = announce;
    this.hold = hold;
    /** { phase, step }: hold at that file operation of the phase; undefined never. */
    this.holdAt = holdAt;
    this.steps = 0;
    this.active = new Set();
    /** Compaction or gc whose job is done and whose edit is not durable yet. */
    this.ending = undefined;
    /** CURRENT was renamed, and the directory is not synced yet. */
    this.isSwapped = false;
  }

  begin(phase) {
    if (this.active.has(phase)) return;
    this.active.add(phase);
    this.announce(`B ${phase}`);
  }

  end(phase) {
    if (!this.active.delete(phase)) return;
    this.announce(`E ${phase}`);
  }

  /** Around every file operation of the main thread. */
  step() {
    if (this.holdAt === undefined || !this.active.has(this.holdAt.phase)) return;
    if (this.steps++ !== this.holdAt.step) return;
    this.announce('H');
    this.hold();
  }
}

function watchExecutor(env, watch) {
  return {
    close: () => env.executor.close(),
    run: async (lane, job) => {
      const phase = lane === 'flush' ? 'flush' : job.valueLog === undefined ? 'compaction' : 'gc';
      watch.begin(phase);
      try {
        const result = await env.executor.run(lane, job);
        if (phase !== 'flush') watch.ending = phase;
        return result;
      } catch (error) {
        watch.end(phase);
        throw error;
      }
    },
  };
}

function watchFs(fs, watch) {
  const around = (call) => {
    watch.step();
    const result = call();
    watch.step();
    return result;
  };
  const removed = (path) => {
    if (path.endsWith('.wal')) watch.end('flush');
  };
  return {
    readFile: (path) => fs.readFile(path),
    stat: (path) => fs.stat(path),
    list: (path) => fs.list(path),
    makeDirectory: (path) => around(() => fs.makeDirectory(path)),
    removeDirectory: (path) => around(() => fs.removeDirectory(path)),
    freeBytes: (path) => fs.freeBytes(path),
    lockDirectory: (path) => fs.lockDirectory(path),
    join: (...parts) => fs.join(...parts),
    open(path, mode) {
      const isManifest = path.includes('MANIFEST-');
      if (mode === 'create' && isManifest) watch.begin('rewrite');
      if (mode === 'create' && path.endsWith('.wal')) watch.begin('rotation');
      const file = around(() => fs.open(path, mode));
      return isManifest || path.endsWith('.wal') ? watchFile(file, watch, isManifest) : file;
    },
    rename(from, to) {
      around(() => fs.rename(from, to));
      watch.isSwapped = true;
    },
    syncDirectory(path) {
      around(() => fs.syncDirectory(path));
      if (watch.isSwapped) watch.end('rewrite');
      watch.isSwapped = false;
    },
    remove(path) {
      around(() => fs.remove(path));
      removed(path);
    },
    async removeLater(path) {
      await fs.removeLater(path);
      removed(path);
    },
  };
}

/** Manifests, whose writes and syncs end phases, and segments, which are held between their first calls. */
function watchFile(file, watch, isManifest) {
  return {
    path: file.path,
    read: (target, start, length, position) => file.read(target, start, length, position),
    write(source, start, length, position) {
      watch.step();
      const count = file.write(source, start, length, position);
      watch.step();
      if (isManifest && !watch.active.has('rewrite')) watch.end('rotation');
      return count;
    },
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    async sync() {
      await file.sync();
      if (isManifest && watch.ending !== undefined) {
        watch.end(watch.ending);
        watch.ending = undefined;
      }
    },
    syncBlocking() {
      watch.step();
      file.syncBlocking();
      watch.step();
    },
    close: () => file.close(),
  };
}
