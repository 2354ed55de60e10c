// No native wait can be cancelled: the nearest thing is to race it and look away.
const forever = new Promise(() => {});

/** @param {number} n @param {() => void} lookAtTheHeap */
export async function cancelWaits(n, lookAtTheHeap) {
  let cancelled = 0;
  for (let i = 0; i < n; i++) {
    const winner = await Promise.race([forever, Promise.resolve("cancelled")]);
    if (winner === "cancelled") cancelled++;
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
  lookAtTheHeap();
  return cancelled;
}
