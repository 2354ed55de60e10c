/**
 * A notification is missed: it comes after the reader has looked and before it waits, and nobody remembers it. The remedy is to
 * look last, with no await between the look and the wait; or corio's `Event`, which remembers that it was set.
 */
import { type Coroutine, type Future, getRunningLoop, sleep, TaskGroup, within } from "corio";

/** Wakes those who wait at that moment. */
class Signal {
  #waiters: Future<void>[] = [];

  notify() {
    for (const waiter of this.#waiters) if (!waiter.done) waiter.setResult();
    this.#waiters = [];
  }

  *wait() {
    const waiter = getRunningLoop().createFuture<void>();
    this.#waiters.push(waiter);
    yield* waiter;
  }
}

class Mailbox {
  readonly letters: string[] = [];
  readonly arrived = new Signal();

  *deliver(letter: string) {
    yield* sleep(5);
    this.letters.push(letter);
    this.arrived.notify();
  }
}

function* buggyReader({ letters, arrived }: Mailbox): Coroutine<string | undefined> {
  if (letters.length === 0) {
    yield* tell("no letter yet");
    yield* arrived.wait();
  }
  return letters.shift();
}

function* fixedReader({ letters, arrived }: Mailbox): Coroutine<string | undefined> {
  if (letters.length === 0) yield* tell("no letter yet");
  while (letters.length === 0) yield* arrived.wait();
  return letters.shift();
}

function* tell(_text: string) {
  yield* sleep(5);
}

function* exchange(reader: typeof buggyReader) {
  const mailbox = new Mailbox();
  yield* within(new TaskGroup(), function* (group) {
    group.createTask(reader(mailbox), { name: "reader" });
    group.createTask(mailbox.deliver("hello"), { name: "postman" });
  });
  if (mailbox.letters.length > 0) throw new Error("a letter was not read");
}

export const buggy = () => exchange(buggyReader);
export const fixed = () => exchange(fixedReader);
