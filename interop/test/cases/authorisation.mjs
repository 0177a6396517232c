// Group B of contract 8: bearer tokens.

import { equal, rejects } from "../support/expect.mjs";
import { transports } from "./combinations.mjs";

export const authorisation = {
  group: "B",
  over: transports,
  cases: [
    {
      title: "a token from a plain factory opens the authorised hub",
      async run(t) {
        const token = await t.get("/generateJwtToken");
        await useHub(t, () => token);
      },
    },
    {
      title: "a token from a factory that returns a promise opens the authorised hub",
      schemes: ["http", "https"],
      run: (t) => useHub(t, () => t.get("/generateJwtToken")),
    },
    {
      title: "the authorised hub knows the user and the claims of the token",
      async run(t) {
        const connection = await t.connect("/authorizedhub", {
          accessTokenFactory: () => t.get("/generateJwtToken?user=someone&scope=first"),
        });
        equal(await connection.invoke("GetUserNameIdentifier"), "someone");
        equal(await connection.invoke("GetUserClaim", "scope"), "first");
      },
    },
    {
      title: "without a token the authorised hub answers 401",
      run: (t) =>
        rejects(
          t.connect("/authorizedhub"),
          "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'",
        ),
    },
    {
      title: "a forged token is as good as none",
      async run(t) {
        const token = await t.get("/generateJwtToken");
        const signature = token.lastIndexOf(".") + 1;
        const forged = token.slice(0, signature) + (token[signature] === "A" ? "B" : "A") + token.slice(signature + 1);
        await rejects(
          t.connect("/authorizedhub", { accessTokenFactory: () => forged }),
          "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'",
        );
      },
    },
  ],
};

async function useHub(t, accessTokenFactory) {
  const connection = await t.connect("/authorizedhub", { accessTokenFactory });
  equal(await connection.invoke("Echo", "authorised"), "authorised");
  await t.stop(connection);
}
