/**
 * The process that is killed. Opens the workdir, writes the program from its operation 1 on, and tells the
 * parent over descriptor 3, one line each, always before it goes on:
 *
 *   O            open                        A n    operation n, and with it all before, is acknowledged
 *   B phase      a phase began (phases.mjs)  E phase   ended
 *   H            held, waiting to be killed  X text    something is wrong
 *   W            the log has the size asked for
 *   C            closed in order
 *
 * argv[2] is JSON: { workdir, seed, generation, options, holdAt, closeAfter, walBytes }.
 */
import { writeSync } from 'node:fs';
import { openDb } from '../../dist/engine/db.js';
import { createNodeEnv } from '../../dist/env/node-env.js';
import { watchEnv } from './phases.mjs';
import { issue, WINDOW } from './program.mjs';

const CHANNEL = 3;
const HOLD_MS = 5000;

const given = JSON.parse(process.argv[2]);
const announce = (line) => writeSync(CHANNEL, `${line}\n`);
const hold = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HOLD_MS);

const silent = { write: () => undefined };
const { env, watch } = watchEnv(createNodeEnv({ log: silent }), {
  announce,
  hold,
  holdAt: given.holdAt ?? undefined,
});

/** One line with all causes; the first complaint is the last thing this process does. */
function complain(what, error) {
  const causes = [];
  for (let one = error; one !== undefined && causes.length < 5; one = one.cause) {
    causes.push(String(one?.stack ?? one).replaceAll('\n', ' '));
  }
  announce(`X ${what}: ${causes.join(' caused by ')}`);
  process.exit(3);
}

process.on('unhandledRejection', (error) => complain('unhandled rejection', error));

/** Issues operations, WINDOW in flight, until `limit`; reports every acknowledgement. */
async function write(db, limit) {
  let next = 1;
  let acknowledged = 0;
  let reported = 0;
  let inFlight = 0;
  let wakes = 0;
  let wake = () => undefined;
  const report = () => {
    if (acknowledged === reported) return;
    reported = acknowledged;
    announce(`A ${acknowledged}`);
  };
  const onDone = (n) => {
    inFlight--;
    acknowledged = Math.max(acknowledged, n);
    report();
    wake();
  };
  while (next <= limit) {
    // In bursts of changing size, so that groups are small and large.
    const burst = 1 + ((next * 7) % WINDOW);
    while (inFlight < burst && next <= limit) {
      const n = next++;
      inFlight++;
      issue(db, given.seed, given.generation, n).then(
        () => onDone(n),
        (error) => complain(`operation ${n}`, error),
      );
    }
    await new Promise((resolve) => (wake = resolve));
    if (given.walBytes > 0 && ++wakes % 16 === 0 && db.stats().wal.active_size >= given.walBytes) {
      announce('W');
      hold();
    }
  }
  while (inFlight > 0) await new Promise((resolve) => (wake = resolve));
}

watch.begin('open');
const db = await openDb(env, given.workdir, given.options);
watch.end('open');
announce('O');
await write(db, given.closeAfter > 0 ? given.closeAfter : Number.POSITIVE_INFINITY);
watch.begin('close');
await db.close();
watch.end('close');
announce('C');
