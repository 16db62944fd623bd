/** Where a verb writes, and reads an answer from: the process's own streams, or a test's. */
export interface Output {
  readonly write: (text: string) => void;
  readonly error: (text: string) => void;
}
