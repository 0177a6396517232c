// All cases that run in Node and in the browser, expanded over their combinations. A group is
//   { group, over: combinations, cases: [{ title, needs?, on?, schemes?, limit?, run }] }
// where a case may narrow: needs = names of pending.mjs beside its combination's own, on = a platform or a function of
// (combination, platform), schemes = ["http", "https"] instead of HTTP alone, or widen: limit = how many milliseconds it
// may take. run is called with a Context.

import { Context } from "../support/context.mjs";
import { authorisation } from "./authorisation.mjs";
import { connections } from "./connections.mjs";
import { cors } from "./cors.mjs";
import { extra } from "./extra.mjs";
import { fallback } from "./fallback.mjs";
import { guards } from "./guards.mjs";
import { hub } from "./hub.mjs";
import { large } from "./large.mjs";
import { pending } from "./pending.mjs";
import { raw } from "./raw.mjs";
import { requests } from "./requests.mjs";
import { selection } from "./selection.mjs";
import { streams } from "./streams.mjs";
import { values } from "./values.mjs";
import { worker } from "./worker.mjs";

const contract = [hub, authorisation, connections, requests, selection, ...raw, worker];
const own = [extra, values, large, streams, fallback, ...guards, cors];
const groups = [...contract, ...own];

// How many milliseconds a case may take that does not say so itself. Almost every case ends in well under a second unless
// something is broken; those that wait for a token's end take four.
const usualLimit = 15_000;

/** Lists the cases of a platform as { title, pending, run(environment) }; pending is the reason not to run it. */
export function expand(platform) {
  return groups.flatMap(({ group, over, cases }) =>
    over.flatMap((combination) =>
      cases
        .filter(({ on }) => !on || on === platform || (typeof on === "function" && on(combination, platform)))
        .flatMap((one) => (one.schemes ?? ["http"]).map((scheme) => expandOne(group, one, { ...combination, scheme }))),
    ),
  );
}

function expandOne(group, { title, needs = [], limit = usualLimit, run }, combination) {
  const { transport, protocol, scheme } = combination;
  const where = [transport, protocol, scheme].filter(Boolean).join(" ");
  const missing = [...needs, transport, protocol].filter((name) => name in pending);
  return {
    title: `${group} [${where}] ${title}`,
    pending: missing.map((name) => `pending ${name}: ${pending[name]}`).join("; "),
    run: (environment) => runOne(run, new Context(environment, combination), limit),
  };
}

async function runOne(run, context, limit) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished within ${limit} ms`)), limit);
  });
  try {
    await Promise.race([run(context), late]);
  } finally {
    clearTimeout(timer);
    await context.close();
  }
}
