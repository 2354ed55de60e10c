// Says each line of its standard input again, louder. At the end of the input it tells how many there were, and ends with 3.
import { createInterface } from "node:readline";

let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  count++;
  console.log(line.toUpperCase());
}
console.log(`${count} lines`);
process.exitCode = 3;
