import { test } from "node:test";
import { id } from "../blob-store.contract.ts";
import type { BlobStore } from "../blob-store.ts";
import type { Fault, FaultProxy, ProxiedRequest } from "./fault-proxy.ts";
import { expectNothingLeft, pushInChunks } from "./push-in-chunks.ts";

/** Spoils every request the first time it is made. */
function once(fault: Fault): (request: ProxiedRequest) => Fault | undefined {
  const seen = new Set<string>();
  return ({ method, url, headers }) => {
    const key = `${method} ${url} ${headers.range ?? ""} ${headers["content-range"] ?? ""}`;
    if (seen.has(key)) return undefined;
    seen.add(key);
    return fault;
  };
}

/** What passes by itself must not be noticed: each fault, once for every request. `open` opens the store through the proxy, in parts of 5 MiB. */
export function faultsOnceTests(
  proxy: () => FaultProxy,
  open: () => Promise<BlobStore>,
  answers: readonly { readonly status: number; readonly code: string }[],
): void {
  const faults: readonly Fault[] = [
    ...answers.map((answer) => ({ kind: "status", ...answer }) as const),
    { kind: "reset" },
    { kind: "lost-answer" },
  ];
  for (const fault of faults) {
    const name = fault.kind === "status" ? fault.code : fault.kind;
    test(`${name} once for every request: pushed in parts, gone on with, read and deleted all the same`, async (t) => {
      t.after(() => proxy().spoil(undefined));
      const store = await open();
      proxy().spoil(once(fault));
      await pushInChunks(store, store, [11_000_000, 12_000_000]);
      proxy().spoil(undefined);
      await store.discardUpload(id("u1"));
      await expectNothingLeft(store);
      await store.close();
    });
  }
}
