import { BrowserHost } from "./browser.js";
import type { Host } from "./host.js";
import { NodeHost } from "./node.js";
import { platform } from "./platform.js";

let host: Host | undefined;

/** The host of this process or page, made when the first loop asks for it. */
export function defaultHost(): Host {
  host ??= platform.setImmediate !== undefined && platform.process !== undefined ? new NodeHost() : new BrowserHost();
  return host;
}
