import { type Coroutine, type EventLoop, type Future, isCancelled, type Task, TaskGroup, wait, within } from "corio";

/**
 * @internal A task group that is no coroutine's block: a task of its own stands in the block until the group is to end. So it can
 * be opened when somebody asks for it, and be waited for elsewhere.
 *
 *   open ──end()──> ending: its tasks are waited for ──> over
 *     └──a task fails, cancel()──> the others are cancelled, and waited for ──> over
 */
export class HeldTaskGroup {
  readonly group = new TaskGroup();
  readonly #mayEnd: Future<void>;
  readonly #holder: Task<void>;
  #cancelled = false;
  #failed = false;
  #told = false;

  /**
   * Opens it, in a callback or a task of the loop.
   *
   * @param onFailure called when a task of the group has failed, while the others are being cancelled; not once it is to end. It
   * cancels who is to hear of that, unless he is being cancelled already
   */
  constructor(loop: EventLoop, onFailure: () => void) {
    this.#mayEnd = loop.createFuture<void>();
    this.#holder = loop.createTask(this.#hold(onFailure), { name: "the task group of a request", eagerStart: true });
  }

  /** Whether a task of it has failed while it was open. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Cancels its tasks. */
  cancel(reason?: unknown): void {
    this.#cancelled = true;
    this.#holder.cancel(reason);
  }

  /**
   * Lets it end, and waits until all its tasks have.
   *
   * @throws (once) an ExceptionGroup of what its tasks have failed with
   *
   * *If cancelled*, so are the tasks, which are waited for all the same.
   */
  *end(): Coroutine<void> {
    let cancellation: unknown;
    if (!this.#mayEnd.done) this.#mayEnd.setResult();
    while (!this.#holder.done) {
      try {
        yield* wait([this.#holder]);
      } catch (error) {
        cancellation ??= error;
        this.cancel(isCancelled(error) ? error.reason : error);
      }
    }
    const error = this.#holder.cancelled ? undefined : this.#holder.exception();
    if (error !== undefined && !this.#told) {
      this.#told = true;
      throw error;
    }
    if (cancellation !== undefined) throw cancellation;
  }

  *#hold(onFailure: () => void): Coroutine<void> {
    const mayEnd = this.#mayEnd;
    yield* within(this.group, () => this.#stand(mayEnd, onFailure));
  }

  *#stand(mayEnd: Future<void>, onFailure: () => void): Coroutine<void> {
    try {
      yield* mayEnd;
    } catch (error) {
      // cancelled by the group, as a task has failed; or with all tasks of the loop, at the end of a run
      if (!this.#cancelled) {
        this.#failed = true;
        onFailure();
      }
      throw error;
    }
  }
}
