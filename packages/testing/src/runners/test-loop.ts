import type { EventLoop, Future } from "corio";

/** The loop of one test, and who drives it: on virtual time or on real time. */
export interface TestLoop {
  readonly loop: EventLoop;
  /** The seed of the shuffled order, if it is shuffled. */
  readonly seed: number | undefined;
  /**
   * Runs the loop until the future is done.
   *
   * @param ms how long at most, in milliseconds on the loop's clock
   * @param realMs how long at most in real milliseconds, where those are others; default what the test's options say
   * @returns a promise of whether it is done
   * @throws a `CorioError` after `realMs`
   */
  drive(future: Future<unknown>, ms: number, realMs?: number): Promise<boolean>;
  /** Lets a millisecond of real time pass, and no other: what comes from the process gets handled. */
  lookOn(): Promise<void>;
}
