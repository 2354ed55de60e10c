import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveFiles } from "./file-server.js";
import { findChromium } from "./find-chromium.js";

interface Result {
  readonly title: string;
  readonly error?: string;
}

const found = await findChromium();
if ("problem" in found && process.env["CI"]) throw new Error(found.problem);
if ("problem" in found) console.warn(`The browser tests are skipped. ${found.problem}`);

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

describe.skipIf("problem" in found)("in Chromium", () => {
  let files: Awaited<ReturnType<typeof serveFiles>>;
  let browser: Browser;

  beforeAll(async () => {
    files = await serveFiles();
    browser = await chromium.launch({ executablePath: (found as { path: string }).path, args: ARGUMENTS });
  });

  afterAll(async () => {
    await browser?.close();
    files?.close();
  });

  /** Opens a page; what it logs as an error or throws, or fails to load, fails the test. */
  async function inPage<T>(path: string, body: (page: Page) => Promise<T>): Promise<T> {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error.stack)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
    });
    page.on("response", (response) => {
      if (!response.ok()) errors.push(`${response.url()}: ${response.status()} (is corio built? npm run build)`);
    });
    try {
      await page.goto(files.origin + path);
      const result = await body(page).catch((error: unknown) => errors.push(String(error)));
      expect(errors).toEqual([]);
      return result as T;
    } finally {
      await page.close();
    }
  }

  function expectAllPassed(results: Result[]): void {
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(results.length).toBeGreaterThan(100);
  }

  const answerOf = (worker: string): string => `new Promise((resolve, reject) => {
    const worker = new Worker("/test/browser/${worker}", { type: "module" });
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.onerror = ({ message }) => reject(new Error(message));
  })`;

  test("the public behaviour holds in a page, and no test leaves anything behind", async () => {
    const suite = 'import("/test/browser/suite-both-ways.mjs").then(({ runBothWays }) => runBothWays())';
    expectAllPassed(await inPage("/test/browser/page.html", (page) => page.evaluate<Result[]>(suite)));
  });

  test("the public behaviour holds in a worker, and no test leaves anything behind", async () => {
    const suite = answerOf("suite-worker.mjs");
    expectAllPassed(await inPage("/test/browser/page.html", (page) => page.evaluate<Result[]>(suite)));
  });

  test("a page that only runs and sleeps works", async () => {
    await inPage("/test/browser/program.html", (page) => page.waitForFunction('document.title === "slept"'));
  });

  test("a worker that only runs and sleeps works", async () => {
    const program = answerOf("program-worker.mjs");
    expect(await inPage("/test/browser/page.html", (page) => page.evaluate(program))).toBe("slept");
  });

  test("clicks, frames and timers have their turn while a task spins", async () => {
    const seen = await inPage("/test/browser/page.html", async (page) => {
      await page.evaluate('import("/test/browser/spinning.mjs").then(({ seen }) => { globalThis.seen = seen; })');
      await page.click("button");
      await page.waitForFunction("seen.over");
      return page.evaluate<{ switches: number; clicks: number }>("seen");
    });
    expect(seen.clicks).toBe(1);
    // had the page only come to it between two switches of many, these would be few
    expect(seen.switches).toBeGreaterThan(1_000);
  });
});
