// All cases of the classic client, expanded over their transports. A group is
//   { group, over: transports, cases: [{ title, over?, run }] }
// where a case may narrow `over`. run is called with a Context.

import { withinLimit } from "../support/wait.mjs";
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

/** Lists the cases as { title, frames, run(directUrl) }; frames tells that a page without EventSource is needed. */
export function expand() {
  return all.flatMap(({ group, over, cases }) =>
    cases.flatMap(({ title, run, over: narrower }) =>
      (narrower ?? over).map((transport) => ({
        title: `${group} [${transport ?? "once"}] ${title}`,
        frames: transport === "foreverFrame",
        run: (directUrl) => runOne(run, new Context(transport, directUrl)),
      })),
    ),
  );
}

async function runOne(run, context) {
  try {
    await withinLimit(() => run(context));
  } finally {
    context.close();
  }
}
