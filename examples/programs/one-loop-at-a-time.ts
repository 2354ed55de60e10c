/** One loop runs at a time. What does not work says what to write instead; two runs one after another are fine. */
import { EventLoop, getRunningLoop, run, sleep } from "corio";

function* hello(name: string) {
  yield* sleep(500);
  console.log(`hello from ${name}`);
}

console.log("- run() inside a running loop");
await run(function* () {
  try {
    void run(hello("an inner loop"));
  } catch (error) {
    console.log(String(error));
  }
});

console.log("- the running loop, where none is running");
try {
  getRunningLoop();
} catch (error) {
  console.log(String(error));
}

console.log("- a closed loop, used again");
const loop = new EventLoop();
loop.close();
try {
  await loop.runUntilComplete(hello("a closed loop"));
} catch (error) {
  console.log(String(error));
}

console.log("- two runs, one after another");
await run(hello("the first run"));
await run(hello("the second run"));
