/** Something that the user asked for cannot be done; nothing has been done yet. The message says what to do instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
