/** @internal What a worker tells the functions that run in it, also those that load another copy of this package. */
export interface WorkerScope {
  /** The number of the work that is running. */
  number: number;
  isCancelled(number: number): boolean;
  /** Calls `callback` when the work is cancelled; works only while it waits for something. */
  whenCancelled(number: number, callback: () => void): void;
}

const KEY = Symbol.for("corio.workerScope");

/** @internal `undefined` outside of a worker. */
export function workerScope(): WorkerScope | undefined {
  return (globalThis as { [KEY]?: WorkerScope })[KEY];
}

/** @internal */
export function enterWorkerScope(scope: WorkerScope): void {
  (globalThis as { [KEY]?: WorkerScope })[KEY] = scope;
}
