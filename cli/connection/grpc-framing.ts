/** One gRPC message on the wire: a flag, four bytes of length, the message. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(5 + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** Puts messages together out of the pieces they arrive in. Throws on compressed ones: none was asked for. */
export class MessageReader {
  #pieces: Buffer[] = [];
  #length = 0;

  /** Takes in a piece; gives every message it completes. */
  push(piece: Buffer): Buffer[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length < this.#wanted()) return [];
    const messages: Buffer[] = [];
    let rest =
      this.#pieces.length === 1 && this.#pieces[0] !== undefined ? this.#pieces[0] : Buffer.concat(this.#pieces);
    while (rest.length >= 5) {
      if (rest[0] !== 0) throw new Error('the server compresses its messages, which was not asked for');
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) break;
      messages.push(rest.subarray(5, end));
      rest = rest.subarray(end);
    }
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    return messages;
  }

  /** Bytes without which no message is complete; pieces of a large message are not joined before. */
  #wanted(): number {
    const first = this.#pieces[0];
    return first === undefined || first.length < 5 ? 5 : 5 + first.readUInt32BE(1);
  }
}
