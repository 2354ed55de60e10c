import { HttpError, type HttpServer, Response, serve } from "@corio/http";
import { type Coroutine, sleep } from "corio";

/** A small web site on this machine: `/slow/3000` takes 3,000 ms, any other page that it has takes none. */
export function webSite(pages: readonly string[]): Coroutine<HttpServer> {
  return serve(
    function* (request) {
      const { pathname } = new URL(request.url);
      const [, pause] = /^\/slow\/(\d+)$/.exec(pathname) ?? [];
      if (pause !== undefined) yield* sleep(Number(pause));
      else if (!pages.includes(pathname)) throw new HttpError(404);
      return new Response(`This is ${pathname}.\n`);
    },
    { host: "127.0.0.1", port: 0 },
  );
}
