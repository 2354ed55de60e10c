import * as globals from "../../src/messages/globals.js";
import * as urls from "../../src/messages/request-url.js";

// What the server has of messages and users do not. The published types do not have it.

const withGlobals: object = globals;
export const { overrideGlobals } = withGlobals as { overrideGlobals(): () => void };

const withUrls: object = urls;
export const { isHost, isTarget, requestUrl } = withUrls as {
  isHost(host: string): boolean;
  isTarget(target: string): boolean;
  requestUrl(scheme: string, host: string, target: string): string;
};
