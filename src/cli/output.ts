// What a verb leaves behind: its exit status, and lines on a terminal.

/** Exit statuses (contract §2; 78 is EX_CONFIG of sysexits.h). */
export const exit = { ok: 0, refused: 1, usage: 2, undecided: 3, config: 78 } as const;

/**
 * Takes one line that may quote what a server said; gives it fit for a terminal: printable ASCII, so that nothing in it
 * is obeyed (U+009B starts an escape sequence, and some marks reorder text).
 */
export function printable(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/g, '?');
}
