import { createTask, Queue, run } from "corio";

/**
 * @param {Queue<number>} requests
 * @param {Queue<number>} replies
 * @param {number} n
 */
function* answer(requests, replies, n) {
  for (let i = 0; i < n; i++) yield* replies.put(yield* requests.get());
}

/** @param {number} n */
function* main(n) {
  /** @type {Queue<number>} */
  const requests = new Queue();
  /** @type {Queue<number>} */
  const replies = new Queue();
  const answering = createTask(answer(requests, replies, n));
  let sum = 0;
  for (let i = 0; i < n; i++) {
    yield* requests.put(1);
    sum += yield* replies.get();
  }
  yield* answering;
  return sum;
}

/** @param {number} n */
export const work = (n) => run(main(n));
