/** Exit statuses (contract §2; 78 is EX_CONFIG of sysexits.h). */
export const exit = { ok: 0, refused: 1, usage: 2, undecided: 3, config: 78 } as const;
