/** @internal Which copy of corio this is; a program may have loaded several. */
export const thisCopy = (import.meta as unknown as { url: string }).url;
