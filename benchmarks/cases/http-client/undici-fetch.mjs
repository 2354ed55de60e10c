import { Agent, fetch } from "undici";

/** @param {import("../../harness/client.mjs").Control} control */
export async function request(control) {
  const dispatcher = new Agent({ connections: control.atOnce });

  async function worker() {
    while (control.wanted()) {
      const response = await fetch(control.url, { dispatcher });
      control.got(await response.bytes());
    }
  }

  for (;;) {
    await control.begin();
    await Promise.all(Array.from({ length: control.atOnce }, worker));
    control.end();
  }
}
