// Chance that a seed decides, so that a run can be repeated.

import { createHash } from "node:crypto";

/** A seed: what SEED says, else another one each time. */
export const newSeed = () => Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

/** Numbers in [0, 1), always the same ones for the same seed. */
export function random(seed) {
  let count = 0;
  return () => createHash("sha256").update(`${seed} ${count++}`).digest().readUInt32BE() / 2 ** 32;
}
