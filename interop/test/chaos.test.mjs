// A farm on one Redis under whatever goes wrong, at random: networks, processes, memory, data. Clients and nodes go on meanwhile,
// and afterwards every message must have been delivered, once and in order, or its sender know that it was not, or the bus
// have reported it lost (support/ledger.mjs).
//
// MINUTES=10 sets for how long things go wrong, NODES=5 on how many nodes, and SEED=number repeats what goes wrong and when.

import { test } from "node:test";
import { startChaosFarm } from "./support/chaosfarm.mjs";
import { happen, schedule } from "./support/faults.mjs";
import { journal } from "./support/journal.mjs";
import { newSeed } from "./support/random.mjs";

const minutes = Number(process.env.MINUTES ?? 0.2);
const nodes = Number(process.env.NODES ?? 4);
const limit = { timeout: 120_000 + 90_000 * minutes };

for (const [title, loses] of [["what is lost is reported", true], ["nothing is lost while Redis keeps its data", false]]) {
  test(title, limit, async (t) => {
    const seed = newSeed();
    t.diagnostic(`SEED=${seed}`);
    const log = journal(2_000);
    const faults = schedule(seed, minutes * 60_000, nodes, loses);
    let farm;
    try {
      farm = await startChaosFarm(nodes, log);
      await happen(faults, farm, (text) => log.add(text));
      await farm.settle();
      const { wrong, figures } = farm.ledger.judge({ loses });
      t.diagnostic(`${faults.length} faults in ${minutes} min: ${JSON.stringify(figures)}`);
      if (wrong.length > 0) {
        throw new Error(wrong.join("\n"));
      }
    } catch (error) {
      throw new Error(`SEED=${seed}: ${error.message}\nWhat went on:\n${log}`, { cause: error });
    } finally {
      await farm?.close();
    }
  });
}
