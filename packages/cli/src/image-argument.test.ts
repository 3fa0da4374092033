import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareClocks } from "./check-registry.ts";
import type { CliContext } from "./cli-context.ts";
import { parseHostArgument, parseImageArgument, referenceOf } from "./image-argument.ts";
import { findOrigin } from "./registry-access.ts";
import { UsageError } from "./usage-error.ts";

function contextWith(options: Partial<CliContext["options"]>): CliContext {
  return {
    environment: {
      dockerConfigDir: "",
      defaultHost: "localhost:5000",
      isDebug: false,
      isColorUnwanted: true,
    },
    options: { color: false, ...options },
    signal: new AbortController().signal,
    output: {
      result: () => undefined,
      note: () => undefined,
      isDrawable: false,
      isInteractive: false,
      draw: () => undefined,
      columns: () => 80,
      emphasize: (text) => text,
    },
  };
}

describe("names on the command line", () => {
  it("takes the default registry for names without a host, and latest for those without a tag", () => {
    const image = parseImageArgument("team/app", "localhost:5000");
    assert.deepEqual([image.host, image.repository], ["localhost:5000", "team/app"]);
    assert.deepEqual(referenceOf(image), { kind: "tag", tag: "latest" });
    const digest = `sha256:${"0".repeat(64)}`;
    const both = parseImageArgument(`example.org/app:1@${digest}`, "localhost:5000");
    assert.deepEqual(referenceOf(both), { kind: "digest", digest });
    assert.throws(() => parseImageArgument("Team/App", "localhost:5000"), UsageError);
  });

  it("takes a registry as host or address", () => {
    assert.equal(parseHostArgument("https://example.org:5000/"), "example.org:5000");
    assert.equal(parseHostArgument("[::1]:5000"), "[::1]:5000");
    for (const text of ["", "a/b", "user@host", "host:port", "a b"]) {
      assert.throws(() => parseHostArgument(text), UsageError);
    }
  });

  it("speaks plain http with this machine only, unless it is told otherwise", async () => {
    for (const host of ["localhost", "localhost:5000", "127.0.0.1:1", "127.1.2.3", "[::1]:5000"]) {
      assert.equal(await findOrigin(host, contextWith({})), `http://${host}`);
    }
    for (const host of ["example.org", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1:5000"]) {
      assert.equal(await findOrigin(host, contextWith({})), `https://${host}`);
      assert.equal(await findOrigin(host, contextWith({ plainHttp: true })), `http://${host}`);
    }
  });

  it("tells clocks apart that would break tokens", () => {
    assert.match(compareClocks(30_000, 0), /30 s apart/);
    assert.throws(() => compareClocks(0, 31_000), /31 s apart, more than 30 s/);
    assert.match(compareClocks(undefined, 0), /does not tell/);
  });
});
