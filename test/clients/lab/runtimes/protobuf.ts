/** The protobuf wire format, as far as the CRI image service needs it: length-delimited fields and varints. */

/** A decoded field: bytes of a length-delimited one, the number of a varint. */
export interface Field {
  readonly number: number;
  readonly value: Buffer | bigint;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** A string or embedded-message field. */
export function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

/** Reads a message's fields in order. Throws a RangeError where it is cut short or has a fixed-width field. */
export function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at);
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = Number(readVarint());
    const number = key >>> 3;
    if (key % 8 === 0) {
      fields.push({ number, value: readVarint() });
    } else if (key % 8 === 2) {
      const end = Number(readVarint()) + at;
      if (end > message.length) throw new RangeError(`field ${number} ends at ${end} of ${message.length}`);
      fields.push({ number, value: message.subarray(at, end) });
      at = end;
    } else {
      throw new RangeError(`field ${number} has wire type ${key % 8}`);
    }
  }
  return fields;
}

/** The bytes of every length-delimited field with this number. */
export function bytesOf(fields: readonly Field[], number: number): Buffer[] {
  return fields.flatMap(({ number: its, value }) =>
    its === number && typeof value !== 'bigint' ? [value] : [],
  );
}
