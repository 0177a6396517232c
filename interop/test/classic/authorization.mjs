// Users, and hubs that are not for everybody: the authorization hubs of classic contract 4.

import { equal, ok } from "../support/expect.mjs";
import { failure, fetch } from "../support/wait.mjs";
import { events, listen } from "./context.mjs";
import { staysAway } from "./losses.mjs";
import { ajax, all } from "./transports.mjs";

const site = "/cookieauth/signalr";

/** Makes the page somebody's, or nobody's. */
async function signIn(user, role = "") {
  const answer = await fetch("/cookieauth/Account/Login", {
    method: "POST",
    body: new URLSearchParams({ UserName: user, Role: role }),
  });
  equal(answer.status, 200);
}

/** Connects to hubs by name. Resolves with the connection, whose logs are by hub. */
async function connect(t, ...names) {
  const connection = t.hubs(site);
  connection.logs = {};
  for (const name of names) {
    connection.logs[name] = listen(connection.hubs[name], "joined", "invoked", "left", "echo", "SendUserOnConnected");
  }
  return t.start(connection);
}

const unauthenticated = 401;
const forbidden = 403;

async function refusedWith(t, status, ...names) {
  await failure(connect(t, ...names));
  equal((await t.requests("negotiate")).at(-1).status, status, names.join());
}

export const authorization = {
  group: "authorization",
  over: all,
  cases: [
    {
      title: "who says nothing gets the hubs for everybody, and 401 for the others",
      async run(t) {
        await signIn("");
        for (const name of ["authHub", "inheritAuthHub", "incomingAuthHub", "adminAuthHub", "userAndRoleAuthHub",
          "authenticatedEchoHub"]) {
          await refusedWith(t, unauthenticated, name);
        }
        const connection = await connect(t, "noAuthHub", "authHub");
        const who = { IsAuthenticated: false, IsAdmin: false, UserName: "" };
        const items = await connection.logs.noAuthHub.until((items) => items.some(([, id]) => id === connection.id));
        equal(items.find(([, id]) => id === connection.id)[3], who);
        await connection.hubs.noAuthHub.server.invokedFromClient();
        equal(connection.logs.authHub.items, []);
        await failure(connection.hubs.authHub.server.invokedFromClient());
      },
    },
    {
      title: "a user gets hubs for users, and 403 for those of others",
      async run(t) {
        await signIn("Ann");
        for (const name of ["adminAuthHub", "userAndRoleAuthHub"]) {
          await refusedWith(t, forbidden, name);
        }
        const connection = await connect(t, "authHub");
        const items = await connection.logs.authHub.until((items) => items.some(([, id]) => id === connection.id));
        equal(items.find(([, id]) => id === connection.id)[3], { IsAuthenticated: true, IsAdmin: false, UserName: "Ann" });
        await connection.hubs.authHub.server.invokedFromClient();
        await connection.logs.authHub.until((items) => items.some(([what, id]) => what === "invoked" && id === connection.id));
        await failure(connection.hubs.invokeAuthHub.server.invokedFromClient());
      },
    },
    {
      title: "roles open what they are for",
      async run(t) {
        await signIn("Ann", "Invoker");
        await (await connect(t, "invokeAuthHub")).hubs.invokeAuthHub.server.invokedFromClient();
        await signIn("Ann", "Admin");
        await connect(t, "adminAuthHub", "invokeAuthHub");
        await refusedWith(t, forbidden, "userAndRoleAuthHub");
        await signIn("User", "Admin");
        await connect(t, "userAndRoleAuthHub");
      },
    },
    {
      title: "a user is reached by name, wherever they are",
      async run(t) {
        const ann = `Ann ${crypto.randomUUID()}`;
        await signIn("Bob");
        const bob = await connect(t, "echoHub");
        await signIn(ann);
        const first = await connect(t, "authenticatedEchoHub", "echoHub");
        const second = await connect(t, "echoHub");
        await second.hubs.echoHub.server.sendToUser("Bob", "for Bob");
        await second.hubs.echoHub.server.sendToUser(ann, "for Ann");
        await first.logs.echoHub.has(["echo", "for Ann"]);
        await second.logs.echoHub.has(["echo", "for Ann"]);
        equal([first, second].map(({ logs }) => logs.echoHub.items), [[["echo", "for Ann"]], [["echo", "for Ann"]]]);
        if (t.transport !== "longPolling") { // whose polls come with the cookie of the moment
          await bob.logs.echoHub.has(["echo", "for Bob"]);
          equal(bob.logs.echoHub.items.filter(([, text]) => text !== "for Bob"), []);
        }
        await first.logs.authenticatedEchoHub.has(["SendUserOnConnected", ann]);
      },
    },
    {
      title: "nobody goes on with a connection of somebody else",
      over: ajax,
      async run(t) {
        await signIn("Ann");
        const connection = await connect(t, "echoHub");
        const call = () => connection.hubs.echoHub.server.echoReturn("x");
        equal(await call(), "x");
        for (const user of ["Mallory", ""]) {
          await signIn(user);
          await failure(call());
          equal((await t.requests("send")).at(-1).status, forbidden);
        }
        await signIn("Ann");
        equal(await call(), "x");
        ok(connection.failures.length === 2, "the page was not told");
      },
    },
    {
      title: "nobody comes back as somebody else",
      async run(t) {
        await signIn("Ann");
        const connection = await connect(t, "echoHub");
        const happened = events(connection, "reconnecting", "reconnected");
        await signIn("Mallory");
        await staysAway(t, happened, forbidden);
      },
    },
    {
      title: "basic authentication is asked for with every request",
      over: ["longPolling"],
      async run(t) {
        equal((await fetch("/basicauth/signalr/negotiate", { credentials: "omit" })).status, unauthenticated);
        const ann = `Ann ${crypto.randomUUID()}`;
        jQuery.ajaxSetup({ headers: { Authorization: `Basic ${btoa(`${ann}:password`)}` } });
        try {
          const connection = t.hubs("/basicauth/signalr");
          const log = listen(connection.hubs.authenticatedEchoHub, "SendUserOnConnected");
          await t.start(connection);
          await log.has(["SendUserOnConnected", ann]);
        } finally {
          delete jQuery.ajaxSettings.headers;
        }
      },
    },
  ],
};
