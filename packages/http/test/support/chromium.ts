import { type Browser, chromium, type Page } from "playwright-core";
import { describe, expect } from "vitest";
import { findChromium } from "../../../corio/test/browser/find-chromium.js";
import type { Started } from "./started.js";

const found = await findChromium();
if ("problem" in found && process.env["CI"]) throw new Error(found.problem);
if ("problem" in found) console.warn(`The browser tests are skipped. ${found.problem}`);

/** `describe` for tests that need Chromium, skipped without it. */
export const describeInChromium: typeof describe.skip = "problem" in found ? describe.skip : describe;

/** A page that is open. */
interface OpenPage extends Started {
  readonly page: Page;
  /**
   * Closes it.
   *
   * @throws if the page has thrown an error that nobody caught
   */
  stop(): Promise<void>;
}

/** A Chromium without a window. */
export interface StartedChromium extends Started {
  /**
   * Opens a page of a server, with cookies and a cache of its own.
   *
   * @param url certificates are not looked at
   */
  open(url: string): Promise<OpenPage>;
  /**
   * Opens a page of a server, where a body does what it wants, and closes it.
   *
   * @param url certificates are not looked at
   * @param body `page.evaluate("…")` runs a text in the page, and awaits its promise; what that throws, `body` throws
   * @throws if the page throws an error that nobody catches
   */
  inPage<T>(url: string, body: (page: Page) => Promise<T>): Promise<T>;
}

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts Chromium. */
export async function startChromium(): Promise<StartedChromium> {
  const browser = await chromium.launch({ executablePath: (found as { path: string }).path, args: ARGUMENTS });
  return {
    open: (url) => open(browser, url),
    async inPage(url, body) {
      const opened = await open(browser, url);
      try {
        return await body(opened.page);
      } finally {
        await opened.stop();
      }
    },
    stop: () => browser.close(),
  };
}

async function open(browser: Browser, url: string): Promise<OpenPage> {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  const errors: unknown[] = [];
  page.on("pageerror", (error) => errors.push(error));
  try {
    await page.goto(url);
  } catch (error) {
    await page.close();
    throw error;
  }
  return {
    page,
    async stop() {
      await page.close();
      expect(errors, "errors of the page").toEqual([]);
    },
  };
}
