import { Pool } from "undici";

/** @param {import("../../harness/client.mjs").Control} control */
export async function request(control) {
  const { origin, pathname: path } = new URL(control.url);
  const pool = new Pool(origin, { connections: control.atOnce });

  async function worker() {
    while (control.wanted()) {
      const { body } = await pool.request({ path, method: "GET" });
      control.got(await body.bytes());
    }
  }

  for (;;) {
    await control.begin();
    await Promise.all(Array.from({ length: control.atOnce }, worker));
    control.end();
  }
}
