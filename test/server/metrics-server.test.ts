import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fetchExpvar } from '../../src/cli/expvar.js';
import type { Db } from '../../src/engine/db.js';
import { type MetricsServer, startMetricsServer } from '../../src/server/metrics-server.js';
import { prometheusText } from '../../src/server/prometheus.js';
import { openSim, TINY } from '../engine/db-fixture.js';

async function served(): Promise<{ db: Db; server: MetricsServer }> {
  const { db } = await openSim(TINY);
  await db.put('a', '1');
  const server = await startMetricsServer(db);
  onTestFinished(async () => {
    await server.close();
    await db.close();
  });
  return { db, server };
}

/** Of a request whose target is sent as it is. */
function statusOf(port: number, target: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: target }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
}

describe('startMetricsServer', () => {
  it('answers /debug/vars with cmdline, memstats and the stats object', async () => {
    const { db, server } = await served();
    const vars = (await (await fetch(`${server.url}/debug/vars`)).json()) as Record<
      string,
      unknown
    >;
    expect(Object.keys(vars)).toEqual(['cmdline', 'memstats', 'NoKV.Stats']);
    expect(vars['NoKV.Stats']).toMatchObject({ entries: db.stats().entries });
    expect(vars['memstats']).toMatchObject({ Alloc: expect.any(Number) as number });
  });

  it.each([
    [{ prot: 1 }, 'unknown name "prot"; did you mean "port"?'],
    [{ port: 'x' }, 'port must be an integer from 0 to 65535'],
    [{ port: 65_536 }, 'port must be an integer from 0 to 65535'],
    [{ host: '' }, 'host must be a name or an address'],
    [null, 'they must be an object'],
  ])('refuses the options %j', async (options, message) => {
    await expect(startMetricsServer({ stats: () => ({}) }, options as object)).rejects.toThrow(
      message,
    );
  });

  it('is what --expvar reads, however its address is written', async () => {
    const { server } = await served();
    for (const address of [
      `127.0.0.1:${server.port}`,
      `${server.url}/`,
      `${server.url}/debug/vars/`,
    ]) {
      expect(await fetchExpvar(address)).toMatchObject({ entries: 1 });
    }
  });

  it('an answer to --expvar that is cut is no defect', async () => {
    const cutter = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('{"NoKV.', () => response.destroy());
    });
    await new Promise<void>((resolve) => cutter.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void cutter.close());
    const { port } = cutter.address() as AddressInfo;
    await expect(fetchExpvar(`127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'NOKV_BUSY',
      message: `Cannot read http://127.0.0.1:${port}/debug/vars: the answer was cut`,
    });
  });

  it('answers /metrics with Prometheus text', async () => {
    const { server } = await served();
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    const text = await response.text();
    expect(text).toContain('# TYPE nokv_flush_completed counter\nnokv_flush_completed 0\n');
    expect(text).toContain('\nnokv_lsm_level_tables{level="0"} 0\n');
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# TYPE [a-z0-9_]+ (counter|gauge)|[a-z0-9_]+(\{level="\d"\})? -?[\d.e+-]+)$/,
      );
    }
  });

  it('takes a CPU profile and a heap snapshot', async () => {
    const { server } = await served();
    const profile = (await (
      await fetch(`${server.url}/debug/pprof/profile?seconds=0.05`)
    ).json()) as { nodes: unknown[] };
    expect(profile.nodes.length).toBeGreaterThan(0);
    const heap = await (await fetch(`${server.url}/debug/pprof/heap`)).text();
    expect(heap.slice(0, 20)).toContain('{"snapshot"');
  });

  it('stops a CPU profile that nobody waits for any more', async () => {
    const { server } = await served();
    const shortProfile = async (): Promise<number> =>
      (await fetch(`${server.url}/debug/pprof/profile?seconds=0.001`)).status;
    const path = '/debug/pprof/profile?seconds=300';
    const left = get({ host: '127.0.0.1', port: server.port, path, agent: false });
    left.on('error', () => undefined);
    await new Promise((resolve) => left.once('finish', resolve));
    // Under way when another one is refused.
    while ((await shortProfile()) !== 409);
    left.destroy();
    let status = 409;
    while (status === 409) status = await shortProfile();
    expect(status).toBe(200);
  });

  it('refuses what it does not serve', async () => {
    const { server } = await served();
    expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
    for (const target of ['//metrics', '*', 'http://']) {
      const status = await statusOf(server.port, target);
      expect([target, status]).toEqual([target, 404]);
    }
    expect(await statusOf(server.port, '//')).toBe(200);
    expect(await statusOf(server.port, 'http://elsewhere/metrics')).toBe(200);
    expect((await fetch(`${server.url}/metrics`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${server.url}/debug/pprof/profile?seconds=x`)).status).toBe(400);
  });

  it('names an address that cannot be taken, and answers 503 for a closed database', async () => {
    const { db, server } = await served();
    await expect(startMetricsServer(db, { port: server.port })).rejects.toMatchObject({
      code: 'NOKV_IO',
      errno: 'EADDRINUSE',
    });
    await db.close();
    expect((await fetch(`${server.url}/metrics`)).status).toBe(503);
  });
});

describe('prometheusText', () => {
  it('calls a counter what only rises, and nothing else', async () => {
    const { db } = await openSim(TINY);
    const text = prometheusText(db.stats());
    await db.close();
    const typeOf = new Map(
      [...text.matchAll(/^# TYPE nokv_(\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]),
    );
    for (const name of [
      'txns_started',
      'txns_committed',
      'txns_conflicts',
      'txn_rolled_back',
      'txn_failed',
      'txn_expired',
      'cache_rows_hits',
      'cache_rows_misses',
      'cache_rows_inserts',
      'cache_rows_evictions',
      'cache_block_hits_l0',
      'cache_block_evictions',
      'cache_block_rejected',
      'cache_index_index_loads',
      'lsm_level_bytes_written',
      'lsm_level_bytes_in',
      'lsm_level_bytes_out',
      'value_log_gc_gc_runs',
      'value_log_gc_bytes_moved',
    ])
      expect([name, typeOf.get(name)]).toEqual([name, 'counter']);
    for (const name of [
      'txns_active',
      'txn_active_read_only',
      'txn_history_bytes',
      'cache_rows_rows',
      'cache_rows_bytes',
      'cache_block_used_bytes',
      'cache_index_index_bytes',
      'lsm_level_in_per_second',
      'value_log_gc_gc_active',
      'value_log_gc_gc_scheduled',
      'value_log_gc_gc_parallelism',
    ])
      expect([name, typeOf.get(name)]).toEqual([name, 'gauge']);
  });

  it('leaves out texts and unknown figures, and spells camel case out', () => {
    const text = prometheusText({ a: null, b: 'x', isOn: true, cache: { hitsL0: 3 } });
    expect(text).toBe(
      '# TYPE nokv_is_on gauge\nnokv_is_on 1\n# TYPE nokv_cache_hits_l0 gauge\nnokv_cache_hits_l0 3\n',
    );
  });
});
