import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "corio";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Row } from "../fetch-many/row.js";
import { percentile } from "../fetch-many/summary.js";
import { main } from "../fetch-many.js";
import { type Kind, kindOf, redirectsOf, sizeOf } from "../site/pages.js";
import { type Site, startSite } from "../site/site.js";

// The site is real HTTP on this machine, and so are its delays. What should answer gets the time to, on a busy one too.
const patience = ["--timeout", "1000", "--retries", "2", "--backoff", "20"];

let folder: string;
let output: string;
/** What the program printed: results on standard output, everything else on standard error. */
let printed: string[];
let complained: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fetch-many-"));
  output = join(folder, "results.jsonl");
  printed = [];
  complained = [];
  vi.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
  vi.spyOn(console, "error").mockImplementation((text: string) => void complained.push(text));
});

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the program over a list and returns its exit code, 0 if it set none. */
async function fetchList(
  list: readonly string[] | string,
  options: string[] = [],
  signal?: AbortSignal,
): Promise<number> {
  const file = join(folder, "urls.txt");
  writeFileSync(file, typeof list === "string" ? list : list.map((url) => `${url}\n`).join(""));
  return await fetchMany([file, "--output", output, ...patience, ...options], signal);
}

async function fetchMany(args: string[], signal?: AbortSignal): Promise<number> {
  await run(() => main(args), signal ? { signal } : {});
  return Number(process.exitCode ?? 0);
}

function rowsIn(file: string): Row[] {
  const text = readFileSync(file, "utf8");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);
}

function pagesOf(...kinds: Kind[]): number[] {
  return Array.from({ length: 500 }, (_, index) => index + 1).filter((number) => kinds.includes(kindOf(number)));
}

function pagesBut(...kinds: Kind[]): number[] {
  return Array.from({ length: 500 }, (_, index) => index + 1).filter((number) => !kinds.includes(kindOf(number)));
}

/** Node tells a server that its client has gone some turns after it went. */
async function quiet(site: Site): Promise<number> {
  const giveUp = Date.now() + 2000;
  while (site.inFlight > 0 && Date.now() < giveUp) await new Promise((resolve) => setTimeout(resolve, 5));
  return site.inFlight;
}

describe("fetch-many over a whole site", () => {
  let site: Site;
  let exitCode: number;
  let rows: Row[];
  let summary: string;
  let others: string[];

  beforeAll(async () => {
    site = await startSite();
    folder = mkdtempSync(join(tmpdir(), "fetch-many-"));
    output = join(folder, "results.jsonl");
    printed = [];
    vi.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
    vi.spyOn(console, "error").mockImplementation(() => {});
    exitCode = await fetchList(site.urls, ["--concurrency", "50"]);
    rows = rowsIn(output);
    summary = printed[0] ?? "";
    others = readdirSync(folder);
    rmSync(folder, { recursive: true });
    vi.restoreAllMocks();
    return () => site.close();
  });

  it("ends well, however many of the URLs fail", () => {
    expect(exitCode).toBe(0);
  });

  it("writes one row for each line of the list", () => {
    const lines = rows.map((row) => row.line).toSorted((a, b) => a - b);
    expect(lines).toEqual(site.urls.map((_, index) => index + 1));
    for (const row of rows) expect(row.url).toBe(site.urls[row.line - 1]);
  });

  it("leaves no list of a rest, as nothing was left over", () => {
    expect(others.toSorted()).toEqual(["results.jsonl", "urls.txt"]);
  });

  it("leaves no request open at the site", async () => {
    expect(await quiet(site)).toBe(0);
  });

  const answered: [Kind, { status: number; attempts: number }][] = [
    ["fast", { status: 200, attempts: 1 }],
    ["slow", { status: 200, attempts: 1 }],
    ["large", { status: 200, attempts: 1 }],
    ["redirect", { status: 200, attempts: 1 }],
    ["redirect chain", { status: 200, attempts: 1 }],
    ["missing", { status: 404, attempts: 1 }],
    ["unavailable once", { status: 200, attempts: 2 }],
    ["busy once", { status: 200, attempts: 2 }],
    ["broken", { status: 500, attempts: 3 }],
  ];
  it.each(answered)("gives a page that is %s the row %j", (kind, expected) => {
    const found = rows.filter((row) => kindOf(row.line) === kind);
    expect(found).toHaveLength(pagesOf(kind).length);
    for (const row of found) {
      expect(row).toMatchObject({ outcome: "answered", ...expected });
      expect(row.error).toBeUndefined();
      if (row.status === 200) expect(row.bytes).toBe(sizeOf(row.line));
    }
  });

  const unanswered: [Kind, Partial<Row>][] = [
    ["hanging", { outcome: "timed out", attempts: 3, error: "timed out after 1000 ms" }],
    ["stalled", { outcome: "timed out", attempts: 3, error: "timed out after 1000 ms" }],
    ["reset", { outcome: "network error", attempts: 3 }],
    ["truncated", { outcome: "network error", attempts: 3 }],
    ["redirect loop", { outcome: "bad redirect", attempts: 1 }],
  ];
  it.each(unanswered)("gives a page that is %s the row %j", (kind, expected) => {
    const found = rows.filter((row) => kindOf(row.line) === kind);
    expect(found).toHaveLength(pagesOf(kind).length);
    for (const row of found) {
      expect(row).toMatchObject({ status: null, bytes: 0, ...expected });
      expect(row.error).not.toBe("");
    }
  });

  it("asks for a page as often as its row says, and not again for what cannot pass", () => {
    for (const row of rows.filter((row) => kindOf(row.line) !== "redirect loop")) {
      expect(site.requestsFor(row.line), row.url).toBe(row.attempts);
    }
  });

  it("says where the answer came from if redirects led elsewhere", () => {
    for (const row of rows) {
      const steps = redirectsOf(row.line);
      expect(row.finalUrl).toBe(steps === 0 ? undefined : `${row.url}/step/${steps}`);
    }
  });

  it("follows five redirects and no more", () => {
    for (const page of pagesOf("redirect loop")) expect(site.requestsFor(page)).toBe(6);
  });

  it("measures the last attempt of a URL, from the request to the last byte", () => {
    for (const row of rows.filter((row) => row.outcome === "timed out")) {
      expect(row.ms).toBeGreaterThanOrEqual(999);
      expect(row.ms).toBeLessThan(1900);
    }
  });

  it("sums up each status and error with its count, bytes and latencies", () => {
    const lines = summary.trim().split("\n");
    const cells = lines.map((line) => line.trim().split(/ {2,}/));
    expect(cells[0]).toEqual(["status", "count", "bytes", "p50 ms", "p90 ms", "p99 ms"]);
    const counts = Object.fromEntries(cells.slice(1).map(([label, count]) => [label, Number(count)]));
    expect(counts).toEqual({
      "200": rows.filter((row) => row.status === 200).length,
      "404": pagesOf("missing").length,
      "500": pagesOf("broken").length,
      "timed out": pagesOf("hanging", "stalled").length,
      "network error": pagesOf("reset", "truncated").length,
      "bad redirect": pagesOf("redirect loop").length,
      all: 500,
    });
    expect(cells.at(-1)?.[2]).toBe(rows.reduce((sum, row) => sum + row.bytes, 0).toLocaleString("en"));
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });
});

describe("fetch-many", () => {
  let site: Site;

  beforeEach(async () => {
    site = await startSite();
    return () => site.close();
  });

  const url = (page: number) => site.urls[page - 1] ?? "";

  it("never has more requests open than it may, whatever the pages do", async () => {
    const pages = pagesBut("hanging", "stalled").slice(0, 200);
    await fetchList(pages.map(url), ["--concurrency", "20"]);
    expect(site.greatestInFlight).toBeLessThanOrEqual(20);
    expect(rowsIn(output)).toHaveLength(pages.length);
  });

  it.each([1, 7, 40])("has %i requests open if it may have so many", async (limit) => {
    // The server lets go when so many have come, and waits a little for one too many.
    const held: ServerResponse[] = [];
    let most = 0;
    const server = createServer((_, response) => {
      most = Math.max(most, held.push(response));
      if (held.length === limit) setTimeout(() => held.splice(0).forEach((response) => response.end()), 20);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = ["--concurrency", String(limit), "--timeout", "20000"];
    await fetchList(new Array<string>(limit * 3).fill(`${origin}/`), options);
    server.close();
    expect(most).toBe(limit);
    expect(rowsIn(output)).toHaveLength(limit * 3);
  });

  it("writes the rows in the order in which they came", async () => {
    const [slow = 0] = pagesOf("slow");
    const [fast = 0] = pagesOf("fast");
    await fetchList([url(slow), url(fast)], ["--concurrency", "2"]);
    expect(rowsIn(output).map((row) => row.line)).toEqual([2, 1]);
  });

  it("does not try again when it is told so", async () => {
    const [broken = 0] = pagesOf("broken");
    await fetchList([url(broken)], ["--retries", "0"]);
    expect(rowsIn(output)).toMatchObject([{ status: 500, attempts: 1 }]);
    expect(site.requestsFor(broken)).toBe(1);
  });

  it("tries as often as it was told to", async () => {
    const [broken = 0] = pagesOf("broken");
    await fetchList([url(broken)], ["--retries", "3", "--backoff", "50"]);
    expect(site.requestsFor(broken)).toBe(4);
  });

  it("gives a host that refuses the connection a row with the reason", async () => {
    await site.close();
    expect(await fetchList([url(1)])).toBe(0);
    expect(rowsIn(output)).toMatchObject([{ outcome: "network error", status: null, attempts: 3 }]);
    expect(rowsIn(output)[0]?.error).toContain("ECONNREFUSED");
  });

  it.each([
    ["ftp://127.0.0.1/", "redirected to ftp://127.0.0.1/, which is not for HTTP"],
    ["http://[", 'redirected to "http://[", which is no URL'],
  ])("does not follow a redirect to %s", async (location, error) => {
    const server = createServer((_, response) => response.writeHead(302, { location }).end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    await fetchList([`http://127.0.0.1:${(server.address() as AddressInfo).port}/`]);
    server.close();
    expect(rowsIn(output)).toMatchObject([{ outcome: "bad redirect", error, attempts: 1 }]);
  });

  it("fetches a URL that stands in the list twice, twice", async () => {
    await fetchList([url(1), url(1)]);
    expect(rowsIn(output)).toHaveLength(2);
    expect(site.requestsFor(1)).toBe(2);
  });

  it("skips empty lines and comments, and takes any line ending and a byte order mark", async () => {
    await fetchList(`\uFEFF${url(1)}\r\n\r\n# a comment\n   ${url(2)}  \n\n${url(3)}`);
    const rows = rowsIn(output).toSorted((a, b) => a.line - b.line);
    expect(rows.map((row) => [row.line, row.url])).toEqual([
      [1, url(1)],
      [4, url(2)],
      [6, url(3)],
    ]);
  });

  it("names the lines that are no URLs and gives each a row with what is wrong", async () => {
    expect(await fetchList([url(1), "example.com/a", "mailto:a@example.com", "not a url", url(2)])).toBe(0);
    const rows = rowsIn(output).toSorted((a, b) => a.line - b.line);
    expect(rows.map((row) => row.outcome)).toEqual(["answered", "not a URL", "not a URL", "not a URL", "answered"]);
    expect(rows[1]).toMatchObject({ line: 2, url: "example.com/a", status: null, attempts: 0 });
    expect(rows[1]?.error).toBe('"example.com/a" is no URL; did you mean https://example.com/a?');
    expect(complained).toContain('line 3: "mailto:a@example.com" is not for HTTP but for mailto:');
    expect(complained).toContain('line 4: "not a url" is no URL');
  });

  it("names five of many lines that are no URLs and counts the others", async () => {
    await fetchList([url(1), ..."abcdefgh".split("")]);
    expect(complained.filter((text) => text.startsWith("line "))).toHaveLength(5);
    expect(complained).toContain("… and 3 more lines that are no URLs; each has its row");
    expect(rowsIn(output)).toHaveLength(9);
  });

  describe("when it is cancelled", () => {
    /** Cancels a run over the whole site as soon as the site has got that many requests. */
    async function cancelledAfter(requests: number, options: string[] = []): Promise<unknown> {
      const interruption = new AbortController();
      const watch = setInterval(() => {
        if (site.requests >= requests) interruption.abort(new Error("enough"));
      }, 1);
      try {
        return await fetchList(site.urls, options, interruption.signal).catch((error: unknown) => error);
      } finally {
        clearInterval(watch);
      }
    }

    const restIn = (file: string) => readFileSync(join(folder, file), "utf8").trimEnd().split("\n");

    it("hands on the cancellation, as its caller asked for it", async () => {
      expect(await cancelledAfter(100)).toEqual(new Error("enough"));
    });

    it("has each URL either in the results or in the list of the rest", async () => {
      await cancelledAfter(150, ["--concurrency", "20"]);
      const rows = rowsIn(output);
      const rest = restIn("results.rest.txt");
      expect(rows.length).toBeGreaterThan(50);
      expect(rest.length).toBeGreaterThan(50);
      expect([...rows.map((row) => row.url), ...rest].toSorted()).toEqual(site.urls.toSorted());
      expect(rest).toEqual(site.urls.filter((url) => rest.includes(url)));
    });

    it("sums up what was done, and says how many were not done and how to go on", async () => {
      await cancelledAfter(150);
      const rows = rowsIn(output);
      const restFile = join(folder, "results.rest.txt");
      expect(printed.join("\n")).toMatch(new RegExp(`^all +${rows.length} `, "m"));
      expect(printed).toContain(`${rows.length} rows written to ${output}.`);
      expect(complained).toContain(
        `${500 - rows.length} URLs were not done; ${restFile} lists them. To go on, run again with`,
      );
      expect(complained).toContain(`  ${restFile} --output ${output} --append`);
    });

    it("leaves no request open at the site", async () => {
      await cancelledAfter(150, ["--concurrency", "50"]);
      expect(await quiet(site)).toBe(0);
    });

    it("leaves off while every request hangs", async () => {
      const hanging = pagesOf("hanging", "stalled");
      const interruption = new AbortController();
      setTimeout(() => interruption.abort(), 100);
      await expect(fetchList(hanging.map(url), ["--timeout", "60000"], interruption.signal)).rejects.toMatchObject({
        name: "AbortError",
      });
      expect(rowsIn(output)).toEqual([]);
      expect(restIn("results.rest.txt")).toEqual(hanging.map(url));
      expect(await quiet(site)).toBe(0);
    });

    it("leaves off in the pause before a retry", async () => {
      const [broken = 0] = pagesOf("broken");
      const interruption = new AbortController();
      setTimeout(() => interruption.abort(), 100);
      await expect(fetchList([url(broken)], ["--backoff", "60000"], interruption.signal)).rejects.toThrow("aborted");
      expect(restIn("results.rest.txt")).toEqual([url(broken)]);
    });

    it("goes on from where it was with --append", async () => {
      await cancelledAfter(150);
      await site.close();
      const done = rowsIn(output).length;
      const rest = restIn("results.rest.txt").length;
      expect(
        await fetchMany([join(folder, "results.rest.txt"), "--output", output, "--append", "--retries", "0"]),
      ).toBe(0);
      const rows = rowsIn(output);
      expect(rows).toHaveLength(done + rest);
      expect(new Set(rows.map((row) => row.url))).toEqual(new Set(site.urls));
    });

    it("writes over no earlier list of a rest", async () => {
      writeFileSync(join(folder, "results.rest.txt"), "https://example.com/\n");
      await cancelledAfter(150);
      expect(restIn("results.rest.txt")).toEqual(["https://example.com/"]);
      expect(restIn("results.rest-2.txt")).toHaveLength(500 - rowsIn(output).length);
    });
  });

  describe("when it cannot begin", () => {
    it.each([
      [["--concurrency", "0"], '--concurrency needs a whole number of at least 1, not "0"'],
      [["--concurrency", "many"], '--concurrency needs a whole number of at least 1, not "many"'],
      [["--timeout", "1.5"], '--timeout needs a whole number of at least 1, not "1.5"'],
      [["--timeout=-1"], '--timeout needs a whole number of at least 1, not "-1"'],
      [["--retries", ""], '--retries needs a whole number of at least 0, not ""'],
      [["--retries", "1e3"], '--retries needs a whole number of at least 0, not "1e3"'],
      [["--output", ""], "--output needs the name of a file; standard output is for the summary"],
      [["--output", "-"], "--output needs the name of a file; standard output is for the summary"],
      [["--outptu", "x"], "Unknown option '--outptu'"],
      [["--timeout"], "'--timeout <value>' argument missing"],
      [["a.txt", "b.txt"], 'one file of URLs is read, not 2 ("a.txt", "b.txt"). Join them: cat … | fetch-many'],
    ])("refuses the arguments %j", async (args, message) => {
      expect(await fetchMany(args)).toBe(2);
      expect(complained.join("\n")).toContain(message);
      expect(complained[0]).toMatch(/^fetch-many: /);
    });

    it("says that the list is not there", async () => {
      expect(await fetchMany([join(folder, "none.txt"), "--output", output])).toBe(2);
      expect(complained.join("\n")).toContain("none.txt: no such file or directory (ENOENT)");
      expect(existsSync(output)).toBe(false);
    });

    it("says that the list is a folder", async () => {
      expect(await fetchMany([folder, "--output", output])).toBe(2);
      expect(complained.join("\n")).toContain("illegal operation on a directory (EISDIR)");
    });

    it("says how to fetch a URL that is given in place of a list", async () => {
      expect(await fetchMany([url(1), "--output", output])).toBe(2);
      expect(complained.join("\n")).toContain(`To fetch it: echo ${url(1)} | fetch-many`);
      expect(site.requests).toBe(0);
    });

    it("says that the list has no URLs", async () => {
      expect(await fetchList("\n# nothing yet\n\n")).toBe(2);
      expect(complained.join("\n")).toContain("urls.txt has no URLs; one a line is expected");
      expect(existsSync(output)).toBe(false);
    });

    it("says that no line of the list is a URL", async () => {
      expect(await fetchList("\nhello\nworld\n")).toBe(2);
      expect(complained.join("\n")).toContain('has no URL that can be fetched; line 2: "hello" is no URL');
    });

    it("sends no request if there is no folder for the results", async () => {
      output = join(folder, "none", "results.jsonl");
      expect(await fetchList(site.urls)).toBe(2);
      expect(complained).toEqual([
        `fetch-many: cannot write results to ${output}: no such file or directory (ENOENT). ` +
          "Name another file with --output",
      ]);
      expect(site.requests).toBe(0);
    });

    it("sends no request if the results would go to a folder", async () => {
      mkdirSync(output);
      expect(await fetchList(site.urls)).toBe(2);
      expect(complained.join("\n")).toContain("illegal operation on a directory (EISDIR)");
      expect(site.requests).toBe(0);
    });

    it("sends no request, and leaves the file alone, if there are results already", async () => {
      writeFileSync(output, '{"line":1}\n');
      expect(await fetchList(site.urls)).toBe(2);
      expect(complained.join("\n")).toContain(
        `${output} has results already. Add --append to write below them, or name another file with --output`,
      );
      expect(readFileSync(output, "utf8")).toBe('{"line":1}\n');
      expect(site.requests).toBe(0);
    });

    it("shows its help when asked, and nothing else", async () => {
      expect(await fetchMany(["--help"])).toBe(0);
      expect(printed).toHaveLength(1);
      for (const option of ["--concurrency", "--timeout", "--retries", "--backoff", "--output", "--append"]) {
        expect(printed[0]).toContain(option);
      }
    });
  });

  describe.skipIf(!existsSync("/dev/full"))("when the disk is full", () => {
    beforeEach(() => symlinkSync("/dev/full", output));

    it("ends, says why, and keeps every URL in the list of the rest", async () => {
      expect(await fetchList(site.urls)).toBe(1);
      expect(complained).toContain(`fetch-many: cannot write to ${output}: no space left on device (ENOSPC)`);
      expect(readFileSync(join(folder, "results.rest.txt"), "utf8").trimEnd().split("\n")).toEqual(site.urls);
      expect(site.requests).toBeLessThan(100);
      expect(await quiet(site)).toBe(0);
    });

    it("prints the URLs if the list of the rest cannot be written either", async () => {
      output = join(folder, "x".repeat(250)); // No longer name fits.
      symlinkSync("/dev/full", output);
      expect(await fetchList([url(1), url(2)], ["--concurrency", "1"])).toBe(1);
      expect(printed.at(-1)).toBe(`${url(1)}\n${url(2)}`);
    });
  });
});

describe("the site", () => {
  it("closes with every connection to it, whatever its pages are at", async () => {
    const site = await startSite();
    const hanging = pagesOf("hanging", "stalled").map((page) =>
      fetch(site.urls[page - 1] ?? "").then((it) => it.text()),
    );
    while (site.inFlight < hanging.length) await new Promise((resolve) => setTimeout(resolve, 1));
    await site.close();
    expect((await Promise.allSettled(hanging)).every((it) => it.status === "rejected")).toBe(true);
    await expect(fetch(site.origin)).rejects.toThrow("fetch failed");
  });
});

describe("a percentile", () => {
  it("is the least value that as many of a hundred do not exceed", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([50, 90, 99, 100].map((percent) => percentile(values, percent))).toEqual([50, 90, 99, 100]);
  });

  it("is the value itself if there is only one, and nothing if there is none", () => {
    expect(percentile([7], 50)).toBe(7);
    expect(percentile([7], 99)).toBe(7);
    expect(percentile([], 50)).toBeUndefined();
  });
});
