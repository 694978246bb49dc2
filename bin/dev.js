#!/usr/bin/env node
/** Builds the command line from src, then runs it: development never runs stale code. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../scripts/build.mjs', import.meta.url));
const build = spawnSync(process.execPath, [script, '--dev'], { stdio: ['ignore', 2, 2] });
if (build.status !== 0) process.exit(build.status ?? 1);

const { run } = await import('../dist/bundle/run.js');
await run(import.meta.url);
