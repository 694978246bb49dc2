/** Reads the stats of a running process from its HTTP endpoint (`/debug/vars`, as Go's expvar prints it). */
import { NokvError } from '../base/errors.js';

const STATS_NAME = 'NoKV.Stats';
const PATH = '/debug/vars';
const TIMEOUT_MS = 10_000;

/** The URL a user means: the scheme defaults to http, the path to /debug/vars. */
export function expvarUrl(text: string): URL {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch (cause) {
    throw new NokvError('NOKV_INVALID', `Cannot use "${text}": it is no URL`, {
      hint: 'Write it like 127.0.0.1:6060',
      cause,
    });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new NokvError('NOKV_INVALID', `Cannot use "${text}": it is neither http nor https`, {
      hint: 'Write it like 127.0.0.1:6060',
    });
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (!path.endsWith(PATH)) url.pathname = `${path}${PATH}`;
  return url;
}

/**
 * The value of `NoKV.Stats`; the document itself when it has no such name.
 * @throws NokvError NOKV_BUSY when nobody answers, or not to the end; NOKV_INVALID when the answer is no stats document
 */
export async function fetchExpvar(text: string): Promise<Record<string, unknown>> {
  const url = expvarUrl(text);
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new NokvError('NOKV_BUSY', `Cannot read ${url.href}: nobody answers`, {
      hint: 'Check the address, and that the process serves its metrics',
      cause,
    });
  }
  if (!response.ok) {
    throw new NokvError(
      'NOKV_BUSY',
      `Cannot read ${url.href}: expvar request failed: ${response.status}`,
      {
        hint: 'Check the address',
        details: { status: response.status },
      },
    );
  }
  let body: string;
  try {
    body = await response.text();
  } catch (cause) {
    throw new NokvError('NOKV_BUSY', `Cannot read ${url.href}: the answer was cut`, {
      hint: 'Check that the process still runs, and run the command again',
      cause,
    });
  }
  const stats = statsIn(body);
  if (stats !== undefined) return stats;
  throw new NokvError(
    'NOKV_INVALID',
    `Cannot read ${url.href}: the answer holds no ${STATS_NAME}`,
    {
      hint: 'Give the address of the metrics server of a nokv process',
    },
  );
}

function statsIn(body: string): Record<string, unknown> | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(document)) return undefined;
  const named = document[STATS_NAME];
  if (isObject(named)) return named;
  // A document that is none of ours would print as all zeros.
  return 'lsm' in document && 'wal' in document ? document : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
