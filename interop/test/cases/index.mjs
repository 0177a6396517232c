// All cases that run in Node and in the browser, expanded over their combinations. A group is
//   { group, over: combinations, cases: [{ title, needs?, on?, schemes?, run }] }
// where a case may narrow: needs = names of pending.mjs beside its combination's own, on = a platform or a function of
// (combination, platform), or widen: schemes = ["http", "https"] instead of HTTP alone. run is called with a Context.

import { Context } from "../support/context.mjs";
import { withinLimit } from "../support/wait.mjs";
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

function expandOne(group, { title, needs = [], run }, combination) {
  const { transport, protocol, scheme } = combination;
  const where = [transport, protocol, scheme].filter(Boolean).join(" ");
  const missing = [...needs, transport, protocol].filter((name) => name in pending);
  return {
    title: `${group} [${where}] ${title}`,
    pending: missing.map((name) => `pending ${name}: ${pending[name]}`).join("; "),
    run: (environment) => runOne(run, new Context(environment, combination)),
  };
}

async function runOne(run, context) {
  try {
    await withinLimit(() => run(context));
  } finally {
    await context.close();
  }
}
