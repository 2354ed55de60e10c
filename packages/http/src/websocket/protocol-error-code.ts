/**
 * @internal The code that `ws` closes a connection with when the peer breaks the rules: it does not say, so it is told from the
 * error's own code. `otherwise` for other errors, such as those of the socket.
 */
export function protocolErrorCode(error: Error, otherwise: number): number {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return otherwise;
  if (code.startsWith("WS_ERR_")) return CODES[code] ?? 1002;
  // what cannot be decompressed
  return code.startsWith("Z_") ? 1007 : otherwise;
}

const CODES: Record<string, number | undefined> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
};
