/**
 * A follower of the soak: opens the workdir read-only, moves on again and again, and reads at random until it is
 * told to stop. A row must be whole, and never older than it was seen before.
 */
import { open } from '../../dist/index.js';
import { checkRow, keyOf } from './rows.mjs';

const READS_PER_REFRESH = 2000;

const { workdir, records, valueBytes } = JSON.parse(process.argv[2]);
const newest = new Int32Array(records).fill(-1);
const report = { reads: 0, refreshes: 0, rssPeak: 0, violation: undefined };
let mustStop = false;
process.on('message', () => (mustStop = true));

/** The call again for as long as the files change faster than they are read. */
async function whenStill(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.code !== 'NOKV_CHANGED') throw error;
    }
  }
}

let x = process.pid | 1;
function below(n) {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return (x >>> 0) % n;
}

try {
  const db = await whenStill(() => open(workdir, { readOnly: true }));
  while (!mustStop && report.violation === undefined) {
    if (await whenStill(() => db.refresh())) report.refreshes++;
    for (let n = 0; n < READS_PER_REFRESH; n++) {
      const i = below(records);
      const round = checkRow(db.get(keyOf(i)), i, valueBytes);
      if (typeof round === 'string') report.violation = `follower: row ${i} is ${round}`;
      else if (round < newest[i]) {
        report.violation = `follower: row ${i} went back from round ${newest[i]} to ${round}`;
      } else newest[i] = round;
      report.reads++;
    }
    report.rssPeak = Math.max(report.rssPeak, process.memoryUsage.rss());
    // Lets the message in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await db.close();
} catch (error) {
  report.violation = `follower: ${String(error?.stack ?? error)}`;
}
process.send(report, () => process.disconnect());
