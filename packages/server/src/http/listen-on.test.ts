import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { listenOn } from "./listen-on.ts";

test("a port that another program has is told in a sentence", async (t) => {
  const first = createServer();
  const port = await listenOn(first, 0, "127.0.0.1");
  t.after(() => first.close());
  await assert.rejects(listenOn(createServer(), port, "127.0.0.1"), {
    code: "CONFLICT",
    message: `port ${port} is in use: stop the program that listens there, or choose another port with ENTREPOT_PORT`,
  });
});

test("so is an address that this machine does not have", async () => {
  // RFC 5737: nobody has it.
  await assert.rejects(listenOn(createServer(), 0, "192.0.2.1"), {
    code: "REQUEST_INVALID",
    message: "192.0.2.1 is no address of this machine (ENTREPOT_HOST)",
  });
});
