/** Two producers and three consumers around a queue that holds two items, and so holds back who is too fast. */
import { forEach, gather, Queue, sleep, TaskGroup, within } from "corio";

function* produce(queue: Queue<string>, name: string) {
  for (let i = 1; i <= 3; i++) {
    yield* queue.put(`${name}${i}`);
    console.log(`put ${name}${i}`);
  }
}

function* consume(queue: Queue<string>, name: string) {
  yield* forEach(queue, function* (item) {
    yield* sleep(1_000);
    console.log(`${name} has dealt with ${item}`);
    queue.taskDone();
  });
  console.log(`${name} goes home`);
}

export function* main() {
  const queue = new Queue<string>({ maxSize: 2 });
  yield* within(new TaskGroup(), function* (group) {
    for (const name of ["X", "Y", "Z"]) group.createTask(consume(queue, name));

    yield* gather(produce(queue, "a"), produce(queue, "b"));
    console.log("all is put");
    yield* queue.join();
    console.log("all is dealt with");
    queue.shutdown();
  });
}
