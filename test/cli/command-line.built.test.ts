import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nokv, ROOT, runNode } from './spawn.js';

interface Manifest {
  readonly commands: Record<string, ManifestCommand>;
  readonly version: string;
}

interface ManifestCommand {
  readonly pluginName: string;
  readonly summary?: string;
  readonly examples?: readonly string[];
  readonly flags: Record<string, { env?: string; description?: string }>;
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'oclif.manifest.json'), 'utf8')) as Manifest;
const pjson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

/** Commands that come from oclif as they are. */
const FOREIGN = /^(help|autocomplete)(:|$)/;

describe('nokv', () => {
  it('prints its version with --version and -V', () => {
    expect(nokv(['--version'])).toMatchObject({ status: 0, stderr: '' });
    expect(nokv(['--version']).stdout).toMatch(new RegExp(`^nokv/${pjson.version} `));
    expect(nokv(['-V']).stdout).toBe(nokv(['--version']).stdout);
  });

  it.each([[['--version', '--json']], [['--json', '-V']]])('prints it as JSON by %j', (args) => {
    const { status, stdout, stderr } = nokv(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      schema: 1,
      data: {
        version: pjson.version,
        node: process.version,
        platform: `${process.platform}-${process.arch}`,
      },
    });
    expect(nokv(['--version'], { NOKV_JSON: '1' }).stdout).toBe(stdout);
  });

  it('prints the same help for no arguments, help, -h and --help', () => {
    const help = nokv(['--help']);
    expect(help).toMatchObject({ status: 0, stderr: '' });
    expect(help.stdout).toContain('$ nokv [COMMAND]');
    for (const args of [[], ['help'], ['-h']]) expect(nokv(args)).toEqual(help);
  });

  it('ends with status 127 for an unknown command, names the nearest, asks nothing', () => {
    const text = nokv(['halp']);
    expect(text).toMatchObject({ status: 127, stdout: '' });
    expect(text.stderr).toContain('Unknown command "halp"');
    expect(text.stderr).toContain('Did you mean "nokv help"?');
    const json = nokv(['halp', '--json']);
    expect(json).toMatchObject({ status: 127, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'NOKV_INVALID' } });
    expect(nokv(['zzzzzzzz']).stderr).toContain('Run "nokv help"');
  });

  it.each([
    [['--json']],
    [['help', '--json']],
    [['--help', '--json']],
    [['--json', '--no-color']],
  ] as const)('%j lists the commands in one document', (args) => {
    const { status, stdout, stderr } = nokv(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { ok, schema, data } = JSON.parse(stdout) as {
      ok: boolean;
      schema: number;
      data: { commands: { command: string; summary: string }[] };
    };
    expect({ ok, schema }).toEqual({ ok: true, schema: 1 });
    const names = data.commands.map(({ command }) => command);
    expect(names).toContain('sst build');
    expect(names).toEqual([...names].sort());
    for (const { summary } of data.commands) expect(summary).toMatch(/^[^<]+$/);
  });

  it('describes a topic and a command as JSON, too, and by the variable', () => {
    const data = (args: string[], env = {}): unknown => {
      const { data: parsed } = JSON.parse(nokv(args, env).stdout) as { data: unknown };
      return parsed;
    };
    const topic = data(['sst', '--json']);
    expect(topic).toMatchObject({ commands: [{ command: 'sst build' }, {}, {}, {}, {}] });
    expect(data(['sst'], { NOKV_JSON: '1' })).toEqual(topic);
    const command = data(['help', 'get', '--json']);
    expect(data(['get', '--help', '--json'])).toEqual(command);
    expect(command).toMatchObject({
      command: 'get',
      arguments: [{ name: 'key', is_required: true }],
      commands: [],
    });
    const { flags } = command as { flags: unknown[] };
    expect(flags).toContainEqual(
      expect.objectContaining({ name: 'key-format', env: 'NOKV_KEY_FORMAT', default: 'auto' }),
    );
  });

  it.each([[['help', 'foo']], [['foo', '--help']], [['foo']]])(
    '%j: there is no such command, with status 127 and no stack',
    (args) => {
      const text = nokv(args);
      expect(text).toEqual({
        status: 127,
        stdout: '',
        stderr:
          'Error: Unknown command "foo" [NOKV_INVALID]\n  hint: Run "nokv help" for the commands there are\n',
      });
      const json = nokv(args, { NOKV_JSON: '1' });
      expect(json).toMatchObject({ status: 127, stderr: '' });
      expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'NOKV_INVALID' } });
    },
  );

  it('says where flags stand, with status 2', () => {
    const text = nokv(['--json', 'get', 'k']);
    expect(text).toMatchObject({ status: 2, stderr: '' });
    expect(JSON.parse(text.stdout)).toMatchObject({
      ok: false,
      error: { hint: 'Flags stand behind the command: nokv get ... --json' },
    });
    expect(nokv(['--nonsense']).stderr).toContain('it is a flag, not a command [NOKV_INVALID]');
    expect(nokv(['sst', 'nonsense']).stderr).toContain('Run "nokv help sst"');
  });

  it('says what is missing, too much or wrong in one plain line, also in color', () => {
    const color = { FORCE_COLOR: '1' };
    for (const [line, message] of [
      ['get', 'Missing argument KEY'],
      ['put -w x', 'Missing argument KEY'],
      ['get k', 'Missing required flag workdir'],
      ['get k extra -w x', 'Unexpected argument: extra'],
      ['stats extra more', 'Unexpected argument: extra'],
      ['redis compat extra', 'Unexpected argument: extra'],
      ['put k v -w x --ttl soon', '--ttl: Cannot read duration "soon": write it like 250ms'],
    ] as const) {
      const { status, stderr } = nokv(line.split(' '), color);
      expect([line, status, stderr.split('\n')[0]]).toEqual([
        line,
        2,
        `Error: ${message} [NOKV_INVALID]`,
      ]);
    }
  });

  it('does the same whatever NODE_ENV says', () => {
    const help = nokv(['--help']);
    expect(nokv(['--help'], { NODE_ENV: 'development' })).toEqual(help);
    expect(nokv(['--help'], { NODE_ENV: 'test' })).toEqual(help);
  });

  it('adds to the start of bare Node less CPU time than one and a half fixed pieces of work', () => {
    // In turns, and the least of several runs each: noise only adds, and comes over all alike. On a machine whose
    // speed changes from second to second nine turns do not show the least of all four. The start of bare Node is no
    // unit: 22 starts three times as fast as 20, and an integer loop takes the same in both.
    const preload = ['--require', join(ROOT, 'test/cli/print-cpu.cjs')];
    const run = join(ROOT, 'bin/run.js');
    const work =
      'function f(n) { let x = 0; while (n-- > 0) x = (Math.imul(x, 31) + n) | 0; return x } f(45e6)';
    const commands = {
      bare: ['-e', '0'],
      work: ['-e', work],
      help: [run, '--help'],
      version: [run, '--version'],
    };
    const names = ['bare', 'work', 'help', 'version'] as const;
    const least = { bare: Infinity, work: Infinity, help: Infinity, version: Infinity };
    for (let turn = 0; turn < 24; turn++) {
      for (const name of names) {
        const { stderr } = runNode([...preload, ...commands[name]]);
        least[name] = Math.min(least[name], Number(stderr.trim().split('\n').at(-1)));
      }
    }
    const unit = least.work - least.bare;
    expect(least.bare).toBeGreaterThan(0);
    expect(unit).toBeGreaterThan(0);
    expect((least.help - least.bare) / unit, 'nokv --help').toBeLessThan(1.5);
    expect((least.version - least.bare) / unit, 'nokv --version').toBeLessThan(1.5);
  });
});

describe('oclif.manifest.json', () => {
  it('is of this version', () => {
    expect(manifest.version).toBe(pjson.version);
  });

  it('has a summary, two examples and a NOKV_ variable for every flag of every command', () => {
    for (const [id, command] of Object.entries(manifest.commands)) {
      if (FOREIGN.test(id)) continue;
      expect(command.summary, id).toMatch(/\w/);
      expect(command.examples?.length, `${id}: examples`).toBeGreaterThanOrEqual(2);
      for (const [name, flag] of Object.entries(command.flags)) {
        expect(flag.env, `${id} --${name}`).toMatch(/^NOKV_[A-Z0-9_]+$/);
        expect(flag.description, `${id} --${name}`).toMatch(/\w/);
      }
    }
  });
});

describe('bin/dev.js', () => {
  it('runs src, not what an earlier build left', () => {
    const project = mkdtempSync(join(tmpdir(), 'nokv-dev-'));
    try {
      for (const name of ['bin', 'scripts', 'src', 'package.json', 'tsconfig.json']) {
        cpSync(join(ROOT, name), join(project, name), { recursive: true });
      }
      mkdirSync(join(project, 'src/commands'), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'));
      const say = (text: string): void => {
        const source = `import { Command } from '@oclif/core/command';
          export default class Hello extends Command {
            override async run() { await this.parse(Hello); this.log('${text}'); }
          }`;
        writeFileSync(join(project, 'src/commands/hello.ts'), source);
      };
      for (const text of ['first', 'second']) {
        say(text);
        expect(runNode([join(project, 'bin/dev.js'), 'hello'])).toEqual({
          status: 0,
          stdout: `${text}\n`,
          stderr: '',
        });
      }
    } finally {
      rmSync(project, { recursive: true, force: true });
    }
  });
});
