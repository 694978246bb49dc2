/**
 * The base of every command. A command parses flags, calls one library function and returns its
 * result; text and --json come from that one value. Six faults of oclif are mended here:
 *
 *   1. exit statuses are the same with and without --json, by the code of the error (failure.ts)
 *   2. JSON is one envelope: {"ok":true,"schema":1,"data":...} or {"ok":false,"schema":1,"error":...};
 *      bytes, bigints and maps survive it (plain.ts); a command without result has data null
 *   3. errors say code, message and hint, on stderr; a stack only for a defect under DEBUG
 *   4. when nobody reads stdout any more the command stops within a batch, with status 0; when its reader stands still,
 *      a signal stops it (output.ts)
 *   5. when stdout cannot be written, that is an error with its status, not an uncaught one; stderr is let be
 *   6. what is piped in is never taken for an argument that was left out
 *
 * stdout is data only; everything else goes to stderr.
 */
import { Command } from '@oclif/core/command';
import { boolean } from '@oclif/core/flags';
import type { InferredArgs, InferredFlags } from '@oclif/core/interfaces';
import { IoError, type NokvError } from '../base/errors.js';
import { isTruthy, JSON_SCHEMA } from './envelope.js';
import { failureOf, usageErrorOf, type Failure } from './failure.js';
import { InterruptSource } from './interrupt.js';
import { Output } from './output.js';
import { toPlain } from './plain.js';

export type FlagsOf<T extends typeof Command> = InferredFlags<
  (typeof BaseCommand)['baseFlags'] & T['flags']
>;
export type ArgsOf<T extends typeof Command> = InferredArgs<T['args']>;

export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override enableJsonFlag = true;

  static override baseFlags = {
    json: boolean({
      description: 'print one JSON document',
      env: 'NOKV_JSON',
      default: false,
      helpGroup: 'GLOBAL',
    }),
    quiet: boolean({
      description: 'print no progress and no notes on stderr',
      env: 'NOKV_QUIET',
      default: false,
      helpGroup: 'GLOBAL',
    }),
    'no-color': boolean({
      description: 'print no colors; NO_COLOR is honored too',
      env: 'NOKV_NO_COLOR',
      default: false,
      helpGroup: 'GLOBAL',
    }),
  };

  protected flags!: FlagsOf<T>;
  protected args!: ArgsOf<T>;
  #output: Output | undefined;
  #interrupts: InterruptSource | undefined;
  #failure: Failure | undefined;
  #isAnswered = false;

  protected override async init(): Promise<void> {
    await super.init();
    guardStreams();
    const { flags, strict, enableJsonFlag } = this.ctor as T;
    const { baseFlags } = BaseCommand;
    const args = withoutStdin(this.ctor.args);
    try {
      const parsed = await this.parse({ flags, baseFlags, args, strict, enableJsonFlag });
      this.flags = parsed.flags as FlagsOf<T>;
      this.args = parsed.args as ArgsOf<T>;
    } catch (error) {
      throw usageErrorOf(error, Object.keys({ ...baseFlags, ...flags }));
    }
  }

  /** Standard output for anything longer than a page; `this.log` serves the rest. */
  protected get output(): Output {
    this.#output ??= new Output(process.stdout, () => this.#interrupts?.signal);
    return this.#output;
  }

  /** Aborted by SIGINT or SIGTERM, with the reason to throw. Long loops check it: throwIfAborted(). */
  protected get signal(): AbortSignal {
    this.#interrupts ??= new InterruptSource();
    return this.#interrupts.signal;
  }

  /** A remark on stderr, not with --quiet. */
  protected note(text: string): void {
    if (!this.flags.quiet) process.stderr.write(`${harmless(text)}\n`);
  }

  /**
   * Ends with the status of `error` although there is a result to show: the findings of a check. Call
   * it before returning the result; the envelope then holds both.
   */
  protected failWith(error: NokvError): void {
    this.#failure = failureOf(error);
    process.exitCode = this.#failure.exit;
    if (!this.jsonEnabled()) printFailure(this.#failure);
  }

  /**
   * For a command whose --json output is JSON Lines: writes one value without envelope. The last line
   * is `{"end":true,...}`. False when nobody reads any more.
   */
  protected jsonLine(value: unknown): Promise<boolean> {
    return this.jsonText(JSON.stringify(toPlain(value)));
  }

  /** The same for a value that is JSON already. */
  protected jsonText(line: string): Promise<boolean> {
    this.#isAnswered = true;
    return this.output.line(line);
  }

  override jsonEnabled(): boolean {
    return super.jsonEnabled() || isTruthy(process.env['NOKV_JSON']);
  }

  protected override async _run<R>(): Promise<R> {
    const result = await super._run<R>();
    await this.#output?.flush();
    if (this.jsonEnabled() && !this.#isAnswered) this.logJson(this.toSuccessJson(result ?? null));
    return result;
  }

  protected override async catch(error: unknown): Promise<void> {
    if (isExit(error)) throw error;
    // What was listed before the error is as good as it was, as far as somebody takes it.
    await this.#output?.flush().catch(() => undefined);
    if (this.#output?.isClosed === true) {
      process.exitCode = 0;
      this.#isAnswered = true;
      return;
    }
    const failure = failureOf(error);
    process.exitCode = failure.exit;
    // A listing that began has no envelope any more: its error goes to stderr.
    if (this.jsonEnabled() && !this.#isAnswered) this.logJson(this.toErrorJson(error));
    else printFailure(failure);
    if (failure.isDefect && process.env['DEBUG'] && error instanceof Error) {
      process.stderr.write(`${error.stack ?? ''}\n`);
    }
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    this.#interrupts?.dispose();
    await super.finally(error);
    // Node would wait for the reader for ever.
    if (this.#output?.isStalled === true) process.exit();
  }

  protected override toSuccessJson(data: unknown): unknown {
    if (this.#failure === undefined) return { ok: true, schema: JSON_SCHEMA, data };
    return { ok: false, schema: JSON_SCHEMA, error: errorOf(this.#failure), data };
  }

  protected override toErrorJson(error: unknown): unknown {
    return { ok: false, schema: JSON_SCHEMA, error: errorOf(failureOf(error)) };
  }

  protected override logJson(json: unknown): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    process.stdout.write(`${JSON.stringify(toPlain(json), null, 2)}\n`);
  }
}

/** An argument that is missing is missing: oclif would take what is piped in for it. */
function withoutStdin(args: Command['ctor']['args']): Command['ctor']['args'] {
  const entries = Object.entries(args).map(([name, arg]) => [name, { ...arg, ignoreStdin: true }]);
  return Object.fromEntries(entries) as Command['ctor']['args'];
}

/** Before oclif, whose own listener throws out of the event loop. Notes that nobody can read stop no command. */
function guardStreams(): void {
  if (process.stdout.listeners('error').includes(endWithoutStdout)) return;
  process.stdout.prependListener('error', endWithoutStdout);
  process.stderr.on('error', () => undefined);
}

/** Ends the process with the status of what keeps stdout from being written. EPIPE is no error: output.ts. */
function endWithoutStdout(cause: NodeJS.ErrnoException): void {
  if (cause.code === 'EPIPE') return;
  const info = { op: 'write', path: 'standard output', errno: cause.code ?? 'EIO' };
  const hint = 'Check the file, or the device, that it goes to, and run the command again';
  const failure = failureOf(new IoError(info, { cause, hint }));
  printFailure(failure);
  process.exit(failure.exit);
}

function printFailure({ message, code, hint }: Failure): void {
  const text = harmless(`${message} [${code}]\n  hint: ${hint}`);
  process.stderr.write(`Error: ${text}\n`);
}

/** What a message quotes, a line of a file or a path, may hold codes that a terminal obeys: they are written out. */
function harmless(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, (one) => {
    return `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function errorOf({ code, message, hint, details }: Failure): object {
  return { code, message, hint, details };
}

/** What `this.exit(n)` throws: not an error. */
function isExit(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIT';
}
