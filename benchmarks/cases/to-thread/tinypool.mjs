import { Tinypool } from "tinypool";

/** @param {number} n */
export async function work(n) {
  const pool = new Tinypool({
    filename: new URL("empty.mjs", import.meta.url).href,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: 60_000,
  });
  let done = 0;
  for (let i = 0; i < n; i++) {
    await pool.run(undefined);
    done++;
  }
  await pool.destroy();
  return done;
}
