/**
 * A queue is looked at, and then acted on after an await: it is not empty when a worker looks, and another one has emptied it
 * when that worker takes. The remedy is to look and take without an await in between, or `yield* queue.get()`, which waits.
 */
import { type Coroutine, Queue, sleep, TaskGroup, within } from "corio";

interface Job {
  readonly name: string;
  /** How long it takes, in milliseconds. */
  readonly duration: number;
}

function* buggyWorker(jobs: Queue<Job>, done: string[]): Coroutine<void> {
  while (!jobs.empty) {
    yield* connect();
    const job = jobs.getNowait();
    yield* sleep(job.duration);
    done.push(job.name);
  }
}

function* fixedWorker(jobs: Queue<Job>, done: string[]): Coroutine<void> {
  for (;;) {
    yield* connect();
    if (jobs.empty) return;
    const job = jobs.getNowait();
    yield* sleep(job.duration);
    done.push(job.name);
  }
}

function* connect() {
  yield* sleep(5);
}

function* workOff(worker: typeof buggyWorker) {
  const jobs = new Queue<Job>();
  for (const duration of [5, 10, 5, 5]) jobs.putNowait({ name: `job ${jobs.size + 1}`, duration });
  const done: string[] = [];
  yield* within(new TaskGroup(), function* (group) {
    for (const name of ["Ada", "Alan"]) group.createTask(worker(jobs, done), { name });
  });
  if (done.length !== 4) throw new Error(`of 4 jobs only ${done.join(", ")} were done`);
}

export const buggy = () => workOff(buggyWorker);
export const fixed = () => workOff(fixedWorker);
