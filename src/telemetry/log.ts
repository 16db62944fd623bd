import type { Writable } from 'node:stream';
import { pino, stdTimeFunctions } from 'pino';

/** What a field may hold. Objects are left out on purpose: whole header sets, with their secrets, do not fit in. */
export type LogValue = string | number | boolean | null | undefined | readonly string[] | Error;

/** Fields of one record; `level`, `time` and `msg` are the record's own. */
export type LogFields = Readonly<Record<string, LogValue>> & {
  readonly level?: never;
  readonly time?: never;
  readonly msg?: never;
};

export interface Log {
  info(fields: LogFields, msg: string): void;
  warn(fields: LogFields, msg: string): void;
  error(fields: LogFields, msg: string): void;
}

type Level = keyof Log;

/** How much may wait, in bytes, for a reader that has stopped reading; what comes on top is dropped and counted. */
const longestBacklog = 1024 * 1024;

/**
 * Takes where to write, process.stdout in the program; gives a log of one record a line: JSON, or on a terminal a form
 * for people. Writing never blocks, throws or crashes: a slow reader loses records (how many is then logged), and
 * after an error of the stream (EPIPE: the reader is gone) nothing more is written.
 */
export function createLog(output: Writable & { readonly isTTY?: boolean }): Log {
  const print = output.isTTY === true ? printForPeople : (line: string) => line;
  let dropped = 0;
  // The reader is gone, or the disk is full: the stream drops what follows, and pulls go on.
  output.on('error', () => undefined);

  const write = (line: string): void => {
    if (output.writableLength > longestBacklog) {
      dropped += 1;
      return;
    }
    output.write(escapeControls(print(line)));
    if (dropped === 0) return;
    const lost = dropped;
    dropped = 0;
    put('warn', { dropped: lost }, 'log records were dropped: the reader is too slow');
  };

  const logger = pino(
    { base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    { write },
  );
  function put(level: Level, fields: LogFields, msg: string): void {
    logger[level](plainFields(fields), msg);
  }
  return {
    info: (fields, msg) => put('info', fields, msg),
    warn: (fields, msg) => put('warn', fields, msg),
    error: (fields, msg) => put('error', fields, msg),
  };
}

function plainFields(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? plainError(value) : value]),
  );
}

interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string | undefined;
  readonly cause?: PlainError;
}

/** Only these members: the errors of HTTP clients also carry the headers they sent. */
function plainError(error: Error, depth = 0): PlainError {
  const { name, message, stack, cause } = error;
  return {
    name,
    message,
    ...('code' in error && typeof error.code === 'string' && { code: error.code }),
    ...(depth === 0 && { stack }),
    ...(cause instanceof Error && depth < 4 && { cause: plainError(cause, depth + 1) }),
  };
}

// What JSON leaves as it is, but a terminal or a reader of lines obeys: DEL, the C1 controls (U+009B starts an escape
// sequence, U+0085 ends a line), line and paragraph separators, and marks that reorder text. In a JSON line they stand
// inside strings only, where \u escapes mean the same.
const obeyed = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escapeControls(line: string): string {
  return line.replace(obeyed, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// What needs no quotes; all else is shown as JSON, with its control characters escaped.
const plainWord = /^[A-Za-z0-9_./:@+-]+$/;
const plainText = /^\P{Cc}*$/u;

function printForPeople(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as { level: string; time: string; msg: string };
  const pairs = Object.entries(fields).map(([name, value]) => `${quoted(name)}=${printValue(value)}`);
  const text = plainText.test(msg) ? msg : JSON.stringify(msg);
  return `${[time.slice(11, 23), level.toUpperCase().padEnd(5), text, ...pairs].join(' ')}\n`;
}

function printValue(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? JSON.stringify(value) : JSON.stringify(printCauses(value as PlainError));
}

function printCauses(error: PlainError): string {
  const own = `${error.name}: ${error.message}`;
  return error.cause === undefined ? own : `${own} <- ${printCauses(error.cause)}`;
}

function quoted(text: string): string {
  return plainWord.test(text) ? text : JSON.stringify(text);
}
