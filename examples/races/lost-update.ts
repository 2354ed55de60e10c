/**
 * An update is lost around an await: the balance is read before it and written after it, and what somebody else has written
 * meanwhile is gone. The remedy is a lock, or to await first and then read and write in one go.
 */
import { type Coroutine, Lock, sleep, TaskGroup, within } from "corio";

class BuggyAccount {
  balance = 100;

  *deposit(amount: number) {
    yield* this.add(amount);
  }

  *withdraw(amount: number) {
    yield* askForPin();
    yield* this.add(-amount);
  }

  *add(amount: number): Coroutine<void> {
    const before = this.balance;
    yield* writeToLedger(amount);
    this.balance = before + amount;
  }
}

class FixedAccount extends BuggyAccount {
  readonly #lock = new Lock();

  override *add(amount: number) {
    yield* within(this.#lock, () => super.add(amount));
  }
}

function* askForPin() {
  yield* sleep(5);
}

function* writeToLedger(_amount: number) {
  yield* sleep(5);
}

function* useAccount(account: BuggyAccount) {
  yield* within(new TaskGroup(), function* (group) {
    group.createTask(account.deposit(50), { name: "deposit" });
    group.createTask(account.withdraw(30), { name: "withdraw" });
  });
  if (account.balance !== 120) throw new Error(`100 + 50 - 30 is 120, and the balance is ${account.balance}`);
}

export const buggy = () => useAccount(new BuggyAccount());
export const fixed = () => useAccount(new FixedAccount());
