import { invalidArgument } from "../errors/invalid-argument.js";

/** What a WebSocket allows its peer, on both sides. */
export interface WebSocketOptions {
  /**
   * How large a message may be, in bytes, decompressed; default 4 MiB. A larger one is not read: the connection is closed with
   * code 1009. `Infinity` for no limit.
   */
  maxMessageSize?: number | undefined;
  /**
   * Sends a ping every so many milliseconds, and ends the connection if the peer shows no sign of life within half of that;
   * default `null`, none. It finds peers that have gone without a word, and keeps proxies from closing what seems idle. While
   * nobody receives and messages pile up, nothing is read, and so nobody is found to have gone; a ping waits behind what is
   * sent before it, so give a peer time enough for your largest messages.
   */
  heartbeat?: number | null | undefined;
  /** How long the closing handshake may take, in milliseconds, before the connection is cut; default 10,000. */
  closeTimeout?: number | undefined;
  /**
   * Whether messages may be compressed (permessage-deflate), if the peer can; default false. It takes time and about 64 KiB of
   * memory a connection, and what is compressed together with what an attacker chooses can be guessed from its length.
   */
  compress?: boolean | undefined;
}

/** @internal */
export type WebSocketSettings = { readonly [K in keyof WebSocketOptions]-?: Exclude<WebSocketOptions[K], undefined> };

const DEFAULTS: WebSocketSettings = {
  // aiohttp's
  maxMessageSize: 4 * 1024 * 1024,
  heartbeat: null,
  closeTimeout: 10_000,
  compress: false,
};

// What a timer of the host can take, and what `ws` can count.
const MOST = 2 ** 31 - 1;

/** @internal The options, checked, with the defaults. */
export function webSocketSettings(options: WebSocketOptions): WebSocketSettings {
  const { maxMessageSize, heartbeat, closeTimeout, compress } = options;
  const settings = {
    maxMessageSize: maxMessageSize ?? DEFAULTS.maxMessageSize,
    heartbeat: heartbeat ?? DEFAULTS.heartbeat,
    closeTimeout: closeTimeout ?? DEFAULTS.closeTimeout,
    compress: compress ?? DEFAULTS.compress,
  };
  if (settings.maxMessageSize !== Number.POSITIVE_INFINITY) {
    checkNumber(settings.maxMessageSize, "maxMessageSize is in bytes, from 1 to 2 GiB, or Infinity", MOST);
  }
  if (settings.heartbeat !== null)
    checkNumber(settings.heartbeat, "heartbeat is in milliseconds, more than 0, or null");
  checkNumber(settings.closeTimeout, "closeTimeout is in milliseconds, more than 0", MOST);
  if (typeof settings.compress !== "boolean") {
    throw invalidArgument("WEBSOCKET_OPTION", `compress is true or false, not ${String(compress)}`);
  }
  return settings;
}

/** @internal The same in the words of `ws`, for which 0 is no limit. */
export function wsOptions({ maxMessageSize, closeTimeout, compress }: WebSocketSettings): {
  maxPayload: number;
  closeTimeout: number;
  perMessageDeflate: boolean;
} {
  return {
    maxPayload: maxMessageSize === Number.POSITIVE_INFINITY ? 0 : maxMessageSize,
    closeTimeout,
    perMessageDeflate: compress,
  };
}

function checkNumber(value: unknown, what: string, most = Number.POSITIVE_INFINITY): void {
  if (typeof value === "number" && value > 0 && value <= most) return;
  throw invalidArgument("WEBSOCKET_OPTION", `${what}, not ${String(value)}`);
}
