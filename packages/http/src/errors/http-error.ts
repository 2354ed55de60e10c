import { STATUS_CODES } from "node:http";
import { CorioError } from "corio";

/**
 * Thrown in a handler, it is the answer: its status, and its message as text. Any other error is a 500 without its text.
 *
 * @example
 * yield* serve(function* (request) {
 *   if (new URL(request.url).pathname !== "/") throw new HttpError(404);
 *   return new Response("hello");
 * });
 */
export class HttpError extends CorioError {
  override readonly name: string = "HttpError";
  readonly status: number;
  /** What goes with the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param status from 400 to 599
   * @param message what the client reads; default the name of the status, such as "Not Found"
   * @param options `headers` of the answer; `cause`, which the client does not see
   */
  constructor(
    status: number,
    message: string = STATUS_CODES[status] ?? `Error ${status}`,
    options: { headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    const { headers = {}, ...rest } = options;
    super("ERR_CORIO_HTTP", message, rest);
    if (!(Number.isInteger(status) && status >= 400 && status <= 599)) {
      throw Object.assign(new RangeError(`new HttpError(status) takes 400 to 599, not ${status}`), {
        code: "ERR_CORIO_STATUS",
      });
    }
    this.status = status;
    this.headers = headers;
  }

  /** The answer, for frameworks that ask an error for it, as Hono does. */
  getResponse(): Response {
    return new Response(this.message, { status: this.status, headers: this.headers });
  }
}
