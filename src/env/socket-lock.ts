/**
 * A lock that the kernel releases with the process: listening on a Unix socket in Linux's abstract
 * name space, where a name exists only while its socket is open. It covers the processes of one
 * network name space, so not two containers.
 *
 * `listen` with `exclusive` binds before it returns (also in a cluster worker) and `listening` says
 * at once whether it could; only the error with its reason comes later. Why it could not is found
 * out by binding a name that nobody else uses.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** 'held': another socket has the name. 'unavailable': this platform or sandbox has no such sockets. */
export type SocketLock = Server | 'held' | 'unavailable';

/** Tries to take the lock of a directory, given by its real path. */
export function trySocketLock(realPath: string): SocketLock {
  if (process.platform !== 'linux') return 'unavailable';
  const digest = createHash('sha256').update(realPath).digest('hex').slice(0, 40);
  const server = bind(`\0nokv-${digest}`);
  if (server !== undefined) return server;
  const probe = bind(`\0nokv-probe-${randomUUID()}`);
  if (probe === undefined) return 'unavailable';
  probe.close();
  return 'held';
}

/** A listening server that does not keep the process alive, or undefined. */
function bind(path: string): Server | undefined {
  const server = createServer((socket) => socket.destroy());
  server.on('error', () => undefined);
  server.listen({ path, exclusive: true });
  if (!server.listening) return undefined;
  server.unref();
  return server;
}
