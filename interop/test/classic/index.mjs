// All cases of the classic client, expanded over their transports. A group is
//   { group, over: transports, cases: [{ title, over?, limit?, run }] }
// where a case may narrow `over`, and limit is how many milliseconds it may take. run is called with a Context.

import { Context } from "./context.mjs";
import { authorization } from "./authorization.mjs";
import { connections } from "./connections.mjs";
import { demo } from "./demo.mjs";
import { fallback } from "./fallback.mjs";
import { groups } from "./groups.mjs";
import { hubs } from "./hubs.mjs";
import { jsonp } from "./jsonp.mjs";
import { losses } from "./losses.mjs";
import { negotiation } from "./negotiation.mjs";
import { raw } from "./raw.mjs";
import { redirects } from "./redirects.mjs";
import { refusals } from "./refusals.mjs";
import { handlers, script } from "./script.mjs";

const all = [
  negotiation, ...redirects, script, handlers, hubs, demo, groups, raw, ...connections, losses, fallback, ...jsonp, authorization,
  refusals,
];

const usualLimit = 20_000;

/** Lists the cases as { title, frames, run(directUrl) }; frames tells that a page without EventSource is needed. */
export function expand() {
  return all.flatMap(({ group, over, cases }) =>
    cases.flatMap(({ title, limit = usualLimit, run, over: narrower }) =>
      (narrower ?? over).map((transport) => ({
        title: `${group} [${transport ?? "once"}] ${title}`,
        frames: transport === "foreverFrame",
        run: (directUrl) => runOne(run, new Context(transport, directUrl), limit),
      })),
    ),
  );
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
    context.close();
  }
}
