/** The error with which a test fails; throws if it passes. */
export async function failureOf(run: Promise<void>): Promise<Error> {
  try {
    await run;
  } catch (error) {
    return error as Error;
  }
  throw new Error("the test has passed");
}
