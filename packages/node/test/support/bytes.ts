/** A text in UTF-8. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The text of bytes in UTF-8. */
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Several pieces as one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** So many bytes that are not all the same, so that a lost or a doubled piece shows. */
export function pattern(length: number): Uint8Array {
  const data = new Uint8Array(length);
  for (let i = 0, state = 1; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    data[i] = state >>> 24;
  }
  return data;
}
