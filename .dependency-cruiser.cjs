/**
 * Who may import whom: downward only, no cycles. A type import is an import.
 *
 *   base <- everyone            engine <- server, transfer, bench, index.ts        cli <- commands
 *   gateway <- server
 *   env  <- server, bench, index.ts, test; its worker entry runs engine/jobs.ts
 *   raft/core on base alone
 */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const ours = '^src/';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    rule('no-cycle', 'Siblings meet in their parent or in a format.ts.', {}, { circular: true }),
    rule('unresolvable', 'The file or package is not there.', {}, { couldNotResolve: true }),
    rule(
      'no-dev-dependency',
      'What ships imports only dependencies and optionalDependencies; the rivals of the bench load lazily.',
      { path: ours, pathNot: '^src/bench/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    ),
    rule(
      'base-is-the-floor',
      'src/base imports nothing of ours but itself.',
      { path: '^src/base/' },
      { path: ours, pathNot: '^src/base/' },
    ),
    rule(
      'env-on-base',
      'src/env sees only src/base; what starts engine jobs is below.',
      { path: '^src/env/', pathNot: '^src/env/(worker-entry|sim-env)\\.ts$' },
      { path: ours, pathNot: '^src/(base|env)/' },
    ),
    rule(
      'runs-jobs',
      'The worker entry, and its inline twin of the tests, see src/base, src/env and engine/jobs.ts.',
      { path: '^src/env/(worker-entry|sim-env)\\.ts$' },
      { path: ours, pathNot: '^src/(base|env)/|^src/engine/jobs\\.ts$' },
    ),
    rule(
      'engine-on-base',
      'src/engine sees only src/base: clock, disk and workers come in as Env.',
      { path: '^src/engine/' },
      { path: ours, pathNot: '^src/(base|engine)/' },
    ),
    rule(
      'raft-core-is-pure',
      'src/raft/core sees only src/base: no engine, no disk, no network.',
      { path: '^src/raft/core/' },
      { path: ours, pathNot: '^src/(base|raft/core)/' },
    ),
    rule(
      'raft-core-sees-no-env',
      'Of the environment the core takes Random alone: it has no clock and no disk.',
      { path: '^src/raft/core/', pathNot: '^src/raft/core/(config|raft)\\.ts$' },
      { path: '^src/base/env\\.ts$' },
    ),
    rule(
      'raft-core-index-is-the-door',
      'Who uses the core imports its index.ts; the files of the core import the file that has the noun.',
      { path: '^src/raft/core/' },
      { path: '^src/raft/core/index\\.ts$' },
    ),
    rule(
      'library-without-packages',
      'src/base, src/engine, src/raft and src/gateway import no package; lz4 and the kernel lock come in through src/env.',
      { path: '^src/(base|engine|raft|gateway)/' },
      { dependencyTypes: ['npm', 'npm-optional', 'npm-dev', 'npm-peer', 'npm-no-pkg'] },
    ),
    rule(
      'sst-knows-no-manifest',
      'A table knows nothing of the manifest, the log or the memtable. It may see how a value pointer is laid ' +
        'out, because it adds up the bytes its entries point to: format files are for every part to read.',
      { path: '^src/engine/sst/' },
      {
        path: '^src/engine/(manifest|wal|memtable|compaction|vlog)/',
        pathNot: '^src/engine/vlog/(format|value-pointer)\\.ts$',
      },
    ),
    rule(
      'wal-knows-no-memtable',
      'The log knows nothing of who fills it.',
      { path: '^src/engine/wal/' },
      { path: '^src/engine/(memtable|sst|manifest|compaction|vlog)/' },
    ),
    rule(
      'pure-files',
      'A strategy answers what to do; a job does it. Pickers and rules see no reader, writer, job or Env.',
      { path: '^src/engine/.*(picker|score|drop-rules)\\.ts$' },
      { path: '(writer|reader|builder|job|executor|db)\\.ts$|^src/base/env\\.ts$' },
    ),
    rule(
      'parts-know-no-db',
      'db.ts is the one file that sees every part; no part sees it.',
      { path: '^src/engine/[^/]+/' },
      { path: '^src/engine/(db|background|recovery|write-queue)\\.ts$' },
    ),
    rule(
      'transfer-on-engine',
      'src/transfer moves rows between a database and bytes that a command brings: no file, no terminal.',
      { path: '^src/transfer/' },
      { path: ours, pathNot: '^src/(base|engine|transfer)/' },
    ),
    rule(
      'gateway-on-base',
      'src/gateway sees only src/base: store, sockets and clock come in as Backend, Connection and Env.',
      { path: '^src/gateway/' },
      { path: ours, pathNot: '^src/(base|gateway)/' },
    ),
    rule(
      'server-under-commands',
      'src/server composes; it sees neither the command line nor the bench.',
      { path: '^src/server/' },
      { path: '^src/(cli|commands|bench)/' },
    ),
    rule(
      'bench-under-commands',
      'src/bench sees neither the command line nor a command.',
      { path: '^src/bench/' },
      { path: '^src/(cli|commands)/' },
    ),
    rule(
      'cli-is-presentation',
      'src/cli renders plain data; it sees only src/base.',
      { path: '^src/cli/' },
      { path: ours, pathNot: '^src/(base|cli)/' },
    ),
    rule(
      'commands-are-thin',
      'A command calls the server, the bench or the public API, not the environment.',
      { path: '^src/commands/' },
      { path: '^src/env/' },
    ),
    rule(
      'commands-are-leaves',
      'Nobody imports a command.',
      { pathNot: '^src/commands/' },
      { path: '^src/commands/' },
    ),
    rule(
      'library-without-terminal',
      'oclif, chalk, ora and cli-table3 belong to the command line.',
      { path: ours, pathNot: '^src/(cli|commands)/' },
      { path: 'node_modules/(@oclif|chalk|ora|cli-table3)/' },
    ),
    rule(
      'index-is-the-door',
      'index.ts is for users, the server, the bench and commands; the parts import the file that has the noun.',
      { path: '^src/(base|env|engine|cli)/' },
      { path: '^src/index\\.ts$' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
