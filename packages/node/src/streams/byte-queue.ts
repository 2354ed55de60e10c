const NONE: Uint8Array = Buffer.alloc(0);

/**
 * @internal Bytes in the order in which they came, in the pieces in which they came: what is taken out whole is not copied.
 *
 *   first    [··········]   rest  [·····|···············]
 *              ^offset              length: all bytes from the offset on
 *
 * The first piece has a field of its own: most often there is no other.
 */
export class ByteQueue {
  #first: Uint8Array | undefined;
  // where the queue begins in the first piece
  #offset = 0;
  #rest: Uint8Array[] | undefined;
  length = 0;
  /** In so many bytes, who reads lines has found no end of one. Begins anew when bytes are taken. */
  searched = 0;

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    if (this.#first === undefined) this.#first = piece;
    else (this.#rest ??= []).push(piece);
    this.length += piece.length;
  }

  /** Puts bytes back in front. */
  unshift(piece: Uint8Array): void {
    if (piece.length === 0) return;
    if (this.#first !== undefined) (this.#rest ??= []).unshift(this.#first.subarray(this.#offset));
    this.#first = piece;
    this.#offset = this.searched = 0;
    this.length += piece.length;
  }

  /** Up to `size` bytes, without copying: what lies in the first piece. */
  takeSome(size: number): Uint8Array {
    if (this.#first === undefined) return NONE;
    return this.take(Math.min(size, this.#first.length - this.#offset));
  }

  /** Exactly `size` bytes, of which there must be so many. */
  take(size: number): Uint8Array {
    const first = this.#first;
    if (first === undefined || size === 0) return NONE;
    const start = this.#offset;
    const end = start + size;
    if (end > first.length) return this.#join(size);
    this.length -= size;
    this.searched = 0;
    if (end < first.length) {
      this.#offset = end;
      return first.subarray(start, end);
    }
    this.#offset = 0;
    this.#first = this.#rest?.shift();
    if (this.#rest?.length === 0) this.#rest = undefined;
    return start === 0 ? first : first.subarray(start);
  }

  takeAll(): Uint8Array {
    return this.take(this.length);
  }

  /** Where `pattern` begins, at `from` or later; -1 where it is not. */
  indexOf(pattern: Uint8Array, from: number): number {
    const start = pattern[0] as number;
    if (pattern.length === 1 && this.#rest === undefined) {
      const at = this.#first?.indexOf(start, this.#offset + from) ?? -1;
      return at < 0 ? -1 : at - this.#offset;
    }
    let before = -this.#offset; // bytes of the queue before the piece
    const count = this.#rest?.length ?? 0;
    for (let i = -1; i < count; i++) {
      const piece = this.#piece(i);
      let at = piece.indexOf(start, Math.max(from - before, 0));
      while (at >= 0) {
        if (pattern.length === 1 || this.#matches(pattern, before + at)) return before + at;
        at = piece.indexOf(start, at + 1);
      }
      before += piece.length;
    }
    return -1;
  }

  #matches(pattern: Uint8Array, position: number): boolean {
    if (position + pattern.length > this.length) return false;
    let index = 0;
    let before = -this.#offset;
    for (let i = -1; ; i++) {
      const piece = this.#piece(i);
      for (let at = position + index - before; at < piece.length; at++) {
        if (piece[at] !== pattern[index]) return false;
        if (++index === pattern.length) return true;
      }
      before += piece.length;
    }
  }

  /** -1 is the first. */
  #piece(index: number): Uint8Array {
    return (index < 0 ? this.#first : this.#rest?.[index]) ?? NONE;
  }

  #join(size: number): Uint8Array {
    const joined = Buffer.allocUnsafeSlow(size);
    for (let filled = 0; filled < size; ) {
      const part = this.takeSome(size - filled);
      joined.set(part, filled);
      filled += part.length;
    }
    return joined;
  }
}
