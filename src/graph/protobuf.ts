/** The few protobuf wire types that an ONNX model needs, written into one growing buffer. Not a reader. */

export class ProtoWriter {
  private buffer = new Uint8Array(1 << 6);
  private length = 0;

  /** Field of wire type 0. */
  varint(field: number, value: number | bigint): this {
    this.key(field, 0);
    return this.rawVarint(value);
  }

  /** Field of wire type 5: a 32-bit float. */
  float(field: number, value: number): this {
    this.key(field, 5);
    return this.append(new Uint8Array(Float32Array.of(value).buffer));
  }

  bytes(field: number, value: Uint8Array): this {
    this.key(field, 2);
    this.rawVarint(value.length);
    return this.append(value);
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, write: (inner: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    return this.bytes(field, inner.finish());
  }

  packed(field: number, values: readonly number[]): this {
    const inner = new ProtoWriter();
    for (const v of values) inner.rawVarint(v);
    return this.bytes(field, inner.finish());
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  private key(field: number, wireType: number): void {
    this.rawVarint((field << 3) | wireType);
  }

  private rawVarint(value: number | bigint): this {
    if (value >= 0 && value < 0x80) return this.append(Uint8Array.of(Number(value)));
    let rest = BigInt.asUintN(64, BigInt(value));
    const out: number[] = [];
    do {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      out.push(rest ? low | 0x80 : low);
    } while (rest);
    return this.append(Uint8Array.from(out));
  }

  private append(data: Uint8Array): this {
    if (this.length + data.length > this.buffer.length) {
      const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + data.length));
      grown.set(this.buffer.subarray(0, this.length));
      this.buffer = grown;
    }
    this.buffer.set(data, this.length);
    this.length += data.length;
    return this;
  }
}
