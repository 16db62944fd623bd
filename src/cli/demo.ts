/** placeholder until the stories are written */
export async function demo({
  once,
  write,
}: {
  readonly once: boolean;
  readonly write: (text: string) => void;
}): Promise<number> {
  write(once ? '' : '');
  return 1;
}
