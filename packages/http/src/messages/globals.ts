import { PlatformRequest, PlatformResponse } from "./platform.js";
import { Response } from "./response.js";
import { ServerRequest } from "./server-request.js";

/**
 * @internal Puts the light `Response` in the place of the platform's, for code that knows only the global one, and a `Request` that
 * can copy a server's. What the platform has made is an instance of both.
 *
 * @returns a function that puts back what was there, once all who have called this have called theirs
 */
export function overrideGlobals(): () => void {
  if (users++ === 0) {
    before = { Response: globalThis.Response, Request: globalThis.Request };
    replace("Response", Response);
    replace("Request", GlobalRequest);
  }
  let over = false;
  return () => {
    if (over) return;
    over = true;
    if (--users > 0) return;
    putBack("Response", Response, before.Response);
    putBack("Request", GlobalRequest, before.Request);
  };
}

let users = 0;
// the platform's, or what another library has put there
let before: { Response: unknown; Request: unknown } = { Response: PlatformResponse, Request: PlatformRequest };

class GlobalRequest extends PlatformRequest {
  constructor(...[input, init]: ConstructorParameters<typeof PlatformRequest>) {
    super((input as unknown) instanceof ServerRequest ? (input as unknown as ServerRequest)._platform() : input, init);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof PlatformRequest;
  }
}

Object.defineProperty(GlobalRequest, "name", { value: "Request" });

function replace(name: "Request" | "Response", by: unknown): void {
  Object.defineProperty(globalThis, name, { value: by, writable: true, enumerable: false, configurable: true });
}

// Unless somebody else has put theirs there meanwhile.
function putBack(name: "Request" | "Response", ours: unknown, original: unknown): void {
  if ((globalThis as Record<string, unknown>)[name] === ours) replace(name, original);
}
