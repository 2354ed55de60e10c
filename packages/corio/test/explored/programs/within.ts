import assert from "node:assert/strict";
import { contextManager, type Coroutine, createTask, ExitStack, type Manager, sleep, within } from "corio";
import { cancelledFromOutside } from "./outside.js";

/** What is open at a time; it is closed in reverse order, and once. */
class Resources {
  readonly #open: string[] = [];

  readonly open = (name: string): void => void this.#open.push(name);

  readonly close = (name: string): void => assert.equal(this.#open.pop(), name);

  checkClosed(): void {
    assert.deepEqual(this.#open, []);
  }

  /** One that takes its time to open and to close. */
  manager(name: string): Manager<string> {
    const { open, close } = this;
    return {
      *enter() {
        yield* sleep(0);
        open(name);
        return name;
      },
      *exit() {
        try {
          yield* sleep(0);
        } finally {
          close(name);
        }
      },
    };
  }

  /** The same, made of a generator. */
  readonly generated = contextManager(function* ({ open, close }: Resources, name: string) {
    yield* sleep(0);
    open(name);
    try {
      yield name;
    } finally {
      try {
        yield* sleep(0);
      } finally {
        close(name);
      }
    }
  });
}

/** Tasks that open things that are to be closed, several in a block, and one after another on a stack; each is cancelled from outside. */
export function* allIsClosed(injected: boolean): Coroutine<void> {
  function* inBlock(): Coroutine<void> {
    const resources = new Resources();
    try {
      yield* within(resources.manager("A"), resources.generated(resources, "B"), function* (a, b) {
        assert.deepEqual([a, b], ["A", "B"]);
        yield* sleep(0);
      });
    } finally {
      resources.checkClosed();
    }
    yield* sleep(0);
  }

  function* onStack(): Coroutine<void> {
    const resources = new Resources();
    try {
      yield* within(new ExitStack(), function* (stack) {
        yield* stack.enter(resources.manager("A"));
        resources.open("B");
        stack.adopt("B", resources.close);
        yield* stack.enter(resources.generated(resources, "C"));
        resources.open("D");
        stack.defer(function* () {
          resources.close("D");
          yield* sleep(0);
        });
      });
    } finally {
      resources.checkClosed();
    }
    yield* sleep(0);
  }

  const tasks = [inBlock, onStack].map((main) => createTask(main, { name: main.name }));
  yield* cancelledFromOutside(tasks, injected);
}
