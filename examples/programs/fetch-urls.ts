/**
 * Many URLs fetched at once by one session, each in a task of its own. What each comes to is printed as it ends; one that fails
 * gives its error as a value, and the others go on. The slowest sets the total.
 */
import { ClientSession } from "@corio/http";
import { attempt, gather, getRunningLoop, within } from "corio";
import { webSite } from "./fetch-urls/web-site.js";

function* fetchPage(session: ClientSession, url: string) {
  const outcome = yield* attempt(
    within(session.get(url), function* (response) {
      const page = yield* response.text();
      return `${response.status}, ${page.length} characters`;
    }),
  );
  console.log(`${url}: ${outcome.ok ? outcome.value : (outcome.error as Error).message}`);
  return outcome;
}

/** @param slow how long the slowest page takes, in milliseconds */
export function* main([slow = "3000"]: string[] = []) {
  const site = yield* webSite(["/", "/news", "/about"]);
  yield* within(site, new ClientSession({ baseUrl: site.url }), function* (_, session) {
    const nobodyListens = "http://127.0.0.1:1/";
    const urls = [`/slow/${slow}`, "/", "/news", nobodyListens, "/missing", "/", "/about", "/news"];

    const loop = getRunningLoop();
    const began = loop.time();
    const outcomes = yield* gather(urls.map((url) => fetchPage(session, url)));
    const seconds = (loop.time() - began) / 1_000;

    const failed = outcomes.filter((outcome) => !outcome.ok);
    console.log(`${outcomes.length} URLs, ${failed.length} without an answer, in ${seconds.toFixed(1)} s`);
  });
}
