/**
 * Takes one line that may quote what a server said; gives it fit for a terminal: printable ASCII, so that nothing in it
 * is obeyed (U+009B starts an escape sequence, and some marks reorder text).
 */
export function printable(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/g, '?');
}
