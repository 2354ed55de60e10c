// The far end of the echo, in a process of its own: sends 64 bytes, waits for them, and so on.
// Tells its parent how long the round trips took, sorted, in milliseconds.
import { once } from "node:events";
import { connect } from "node:net";

const [port, roundTrips] = process.argv.slice(2).map(Number);
const message = Buffer.alloc(64, "echo");
const socket = connect(/** @type {number} */ (port), "127.0.0.1").setNoDelay();
await once(socket, "connect");

function roundTrip() {
  return new Promise((resolve) => {
    let missing = message.length;
    socket.on("data", function read(bytes) {
      missing -= bytes.length;
      if (missing > 0) return;
      socket.off("data", read);
      resolve(undefined);
    });
    socket.write(message);
  });
}

for (let i = 0; i < 200; i++) await roundTrip();
const times = [];
for (let i = 0; i < /** @type {number} */ (roundTrips); i++) {
  const start = performance.now();
  await roundTrip();
  times.push(performance.now() - start);
}
socket.destroy();
process.send?.(
  times.toSorted((a, b) => a - b),
  () => process.disconnect(),
);
