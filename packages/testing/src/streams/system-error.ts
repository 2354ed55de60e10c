import { constants } from "node:os";

/** An error as Node has it from the system. */
export function systemError(
  code: "EADDRINUSE" | "ECONNREFUSED" | "ECONNRESET",
  syscall: string,
  place?: { readonly address: string; readonly port: number },
): NodeJS.ErrnoException {
  const where = place === undefined ? "" : ` ${place.address}:${place.port}`;
  return Object.assign(new Error(`${syscall} ${code}${where}`), {
    errno: -constants.errno[code],
    code,
    syscall,
    ...place,
  });
}
