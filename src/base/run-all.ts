/**
 * Runs all steps one after another, whatever becomes of the others: for closing. Then throws what went wrong: the
 * error itself when there was one, an AggregateError with `message` when there were several.
 */
export async function runAll(
  message: string,
  steps: readonly (() => Promise<void> | void | undefined)[],
): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, message);
}
