const NONE = new Uint8Array(0);

/**
 * @internal Bytes in the order in which they came, in the pieces in which they came: what is taken out whole is not copied.
 *
 *   pieces   [··········|·····|···············]
 *              ^offset                       length: the bytes from there on
 */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  // where the queue begins in the first piece
  #offset = 0;
  length = 0;

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  /** Puts bytes back in front. */
  unshift(piece: Uint8Array): void {
    if (piece.length === 0) return;
    const first = this.#pieces[0];
    if (first !== undefined && this.#offset > 0) {
      this.#pieces[0] = first.subarray(this.#offset);
      this.#offset = 0;
    }
    this.#pieces.unshift(piece);
    this.length += piece.length;
  }

  /** Up to `size` bytes, without copying: what lies in the first piece. */
  takeSome(size: number): Uint8Array {
    const first = this.#pieces[0];
    if (first === undefined) return NONE;
    return this.take(Math.min(size, first.length - this.#offset));
  }

  /** Exactly `size` bytes, of which there must be so many. */
  take(size: number): Uint8Array {
    const first = this.#pieces[0];
    if (first === undefined || size === 0) return NONE;
    const end = this.#offset + size;
    if (end < first.length) {
      const taken = first.subarray(this.#offset, end);
      this.#offset = end;
      this.length -= size;
      return taken;
    }
    if (end === first.length) {
      const taken = this.#offset === 0 ? first : first.subarray(this.#offset);
      this.#shift();
      this.length -= size;
      return taken;
    }
    return this.#join(size);
  }

  takeAll(): Uint8Array {
    return this.take(this.length);
  }

  clear(): void {
    this.#pieces = [];
    this.#offset = this.length = 0;
  }

  /** Where `pattern` begins, at `from` or later; -1 where it is not. */
  indexOf(pattern: Uint8Array, from: number): number {
    const start = pattern[0] as number;
    let before = -this.#offset; // bytes of the queue before the piece
    for (const piece of this.#pieces) {
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
    for (const piece of this.#pieces) {
      for (let at = position + index - before; at < piece.length; at++) {
        if (piece[at] !== pattern[index]) return false;
        if (++index === pattern.length) return true;
      }
      before += piece.length;
    }
    return false;
  }

  #join(size: number): Uint8Array {
    const joined = new Uint8Array(size);
    for (let filled = 0; filled < size; ) {
      const part = this.takeSome(size - filled);
      joined.set(part, filled);
      filled += part.length;
    }
    return joined;
  }

  #shift(): void {
    this.#offset = 0;
    if (this.#pieces.length === 1) this.#pieces.length = 0;
    else this.#pieces.shift();
  }
}
