// Taken when the module loads: fake timers of a test runner must not freeze this.
const { setImmediate, setTimeout } = globalThis as {
  setImmediate?: (callback: () => void) => unknown;
  setTimeout: (callback: () => void, ms: number) => unknown;
};

let immediates = 0;
let unseen = false;

/** Waits until the process has had a turn: it has handled what had arrived, and the reactions of promises have run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (setImmediate === undefined) {
      setTimeout(resolve, 0);
      return;
    }
    immediates++;
    setImmediate(() => {
      immediates--;
      resolve();
    });
  });
}

/** Waits for so many real milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void beginUnseen(() => setTimeout(resolve, ms)));
}

/** How many wait for the next turn: none of them is under way for the program. */
export function waitingForTurn(): number {
  return immediates;
}

/** Calls a function that begins something, such as a timer, which is none of the program's. */
export function beginUnseen<T>(begin: () => T): T {
  const before = unseen;
  unseen = true;
  try {
    return begin();
  } finally {
    unseen = before;
  }
}

/** Whether what begins now is none of the program's. */
export function isUnseen(): boolean {
  return unseen;
}
