/** @internal An argument of the wrong kind: a `TypeError` with a code, as the core's are. */
export function invalidArgument(code: string, message: string): TypeError & { code: string } {
  return Object.assign(new TypeError(message), { code: `ERR_CORIO_${code}` });
}
