/** @internal The platform's own `Response`, also while ours stands in its place. */
export const PlatformResponse = globalThis.Response;

/** @internal The platform's own `Request`, also while ours stands in its place. */
export const PlatformRequest = globalThis.Request;

/** @internal The platform's own `Headers`. */
export const PlatformHeaders = globalThis.Headers;
