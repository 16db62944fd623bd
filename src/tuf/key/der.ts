/** One element of DER (X.690 §8, §10): tag and content. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
}

/** Takes bytes that are exactly one element; gives it. Throws RangeError. */
export function derElement(bytes: Buffer): DerElement {
  const [element, ...rest] = derChildren(bytes);
  if (element === undefined || rest.length > 0) throw new RangeError('not one DER element');
  return element;
}

/** Takes the content of a constructed element; gives the elements in it. Throws RangeError on what is not DER. */
export function derChildren(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    // Definite lengths of at most four bytes; long tags do not occur in what we read.
    const lengthBytes = Math.max(first - 0x80, 0);
    if (first === 0x80 || lengthBytes > 4 || (tag & 0x1f) === 0x1f) throw new RangeError('not DER');
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    if (start + length > bytes.length) throw new RangeError('a DER element ends beyond its parent');
    elements.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

/** Takes the content of a constructed element; gives the element at a place in it, from the end if negative. Throws RangeError. */
export function derChild(bytes: Buffer, place: number): DerElement {
  const element = derChildren(bytes).at(place);
  if (element === undefined) throw new RangeError(`no DER element at ${place}`);
  return element;
}
