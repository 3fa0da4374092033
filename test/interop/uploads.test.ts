import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { digestOf, openSession, type RegistrySession, randomContent } from "../support/registry-session.ts";
import { administrator } from "../support/server-process.ts";
import { type Registry, startRegistry } from "./start-registry.ts";

const collection = "/v2/acme/parts/blobs/uploads/";
const octets = { "content-type": "application/octet-stream" };

/** How the body of a PATCH is sent, of which only the beginning comes. */
type Framing = "whole length" | "chunked";

/**
 * A client in the middle of a PATCH. What it sends is with the registry's machine; the registry itself has read it some time later, and what it had not read when the
 * connection broke is lost.
 */
async function sendBeginning(
  port: number,
  location: string,
  bytes: Uint8Array,
  framing: Framing,
): Promise<Socket> {
  const basic = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
  const socket = connect(port, "127.0.0.1");
  const length =
    framing === "chunked" ? "transfer-encoding: chunked" : `content-length: ${bytes.byteLength + 1_000_000}`;
  const head = `PATCH ${location} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic ${basic}\r\n${length}\r\n\r\n`;
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.write(head);
    // As docker sends layers: the last chunk never comes.
    if (framing === "chunked") socket.write(`${bytes.byteLength.toString(16)}\r\n`);
    socket.write(bytes);
    socket.write(framing === "chunked" ? "\r\n" : "", () => resolve());
  });
  return socket;
}

/**
 * Sends up to that byte by requests that break off, by `breakOff`, each after more time for the registry to read than the one before. Tells how much it has in the end: a
 * registry that keeps what arrived has all of it, however slow the machine is.
 */
async function sendUpTo(
  session: RegistrySession,
  target: { readonly port: number; readonly location: string; readonly framing: Framing },
  bytes: Uint8Array,
  breakOff: (socket: Socket) => unknown,
): Promise<number> {
  let kept = 0;
  for (const pauseMs of [300, 1_000, 5_000, 15_000]) {
    const socket = await sendBeginning(target.port, target.location, bytes.subarray(kept), target.framing);
    await wait(pauseMs);
    await breakOff(socket);
    kept = await offsetOf(session, target.location, bytes.byteLength);
    if (kept === bytes.byteLength) break;
  }
  return kept;
}

/** The offset the registry tells, once it has noticed that the connection is gone. */
async function offsetOf(session: RegistrySession, location: string, expectedBytes: number): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const status = await session.request("GET", location);
    assert.equal(status.status, 204);
    const last = Number(/^0-(\d+)$/.exec(status.headers.get("range") ?? "")?.[1]);
    // An upload without a byte says 0-0, too.
    const offset = last === 0 ? 0 : last + 1;
    if (offset >= expectedBytes || attempt === 50) return offset;
    await wait(100);
  }
}

async function openRegistry(t: TestContext): Promise<Registry & { readonly port: number }> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-uploads-"));
  const registry = await startRegistry(t, folder, {});
  t.after(async () => {
    await registry.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  return { ...registry, port: Number(new URL(registry.origin).port) };
}

test("an upload that broke off goes on where it stopped, also after a crash of the registry", async (t) => {
  const registry = await openRegistry(t);
  const content = randomContent(9_000_000);
  const session = openSession(registry.origin, administrator);
  const begun = await session.request("POST", collection);
  const location = begun.headers.get("location") ?? "";

  const target = { port: registry.port, location, framing: "whole length" } as const;
  const first = content.bytes.subarray(0, 3_000_000);
  const kept = await sendUpTo(session, target, first, (socket) => socket.destroy());
  assert.equal(kept, 3_000_000, "what arrived before the break is kept");

  const second = content.bytes.subarray(kept, 6_000_000);
  const range = { "content-range": `${kept}-${6_000_000 - 1}` };
  assert.equal(
    (await session.request("PATCH", location, { body: second, headers: { ...octets, ...range } })).status,
    202,
  );
  await registry.restart("SIGKILL");
  assert.equal(
    await offsetOf(session, location, 6_000_000),
    6_000_000,
    "what was acknowledged survived the crash",
  );

  const wrong = await session.request("PATCH", location, {
    body: content.bytes.subarray(0, 10),
    headers: { ...octets, "content-range": "0-9" },
  });
  assert.equal(wrong.status, 416);
  const closed = await session.request("PUT", `${location}?digest=${content.digest}`, {
    body: content.bytes.subarray(6_000_000),
    headers: { ...octets, "content-range": `6000000-${content.bytes.byteLength - 1}` },
  });
  assert.equal(closed.status, 201);
  const pulled = await session.request("GET", `/v2/acme/parts/blobs/${content.digest}`);
  assert.deepEqual(new Uint8Array(await pulled.arrayBuffer()), new Uint8Array(content.bytes));
});

test("a client that reconnects takes over from its own dead connection", async (t) => {
  const registry = await openRegistry(t);
  const session = openSession(registry.origin, administrator);
  const content = randomContent(2_000_000);
  const location = (await session.request("POST", collection)).headers.get("location") ?? "";
  const dead: Socket[] = [];
  t.after(() => dead.forEach((socket) => socket.destroy()));
  const target = { port: registry.port, location, framing: "whole length" } as const;
  const offset = await sendUpTo(session, target, content.bytes.subarray(0, 1_000_000), async (socket) => {
    // It stays open and silent, as behind a router that forgot it.
    dead.push(socket);
    const before = await session.request("PATCH", location, { body: new Uint8Array(0), headers: octets });
    assert.equal(before.status, 202, "the new request is let in");
  });
  assert.equal(offset, 1_000_000, "and finds what the dead one had brought");
  const closed = await session.request("PUT", `${location}?digest=${content.digest}`, {
    body: content.bytes.subarray(offset),
    headers: octets,
  });
  assert.equal(closed.status, 201);
});

test("an upload of unknown length is cut off and goes on after a restart of the registry", async (t) => {
  const registry = await openRegistry(t);
  const content = randomContent(5_000_000);
  const session = openSession(registry.origin, administrator);
  const location = (await session.request("POST", collection)).headers.get("location") ?? "";

  const target = { port: registry.port, location, framing: "chunked" } as const;
  const first = content.bytes.subarray(0, 2_000_000);
  assert.equal(await sendUpTo(session, target, first, (socket) => socket.destroy()), 2_000_000);
  await registry.restart("SIGTERM");
  assert.equal(await offsetOf(session, location, 2_000_000), 2_000_000);

  const basic = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
  const rest = new Blob([content.bytes.slice(2_000_000)]).stream();
  const patched = await fetch(new URL(location, registry.origin), {
    method: "PATCH",
    headers: { authorization: `Basic ${basic}`, ...octets },
    body: rest,
    duplex: "half",
  });
  assert.equal(patched.status, 202);
  assert.equal(patched.headers.get("range"), `0-${content.bytes.byteLength - 1}`);
  const closed = await session.request("PUT", `${location}?digest=${content.digest}`);
  assert.equal(closed.status, 201);
  const pulled = await session.request("GET", `/v2/acme/parts/blobs/${content.digest}`);
  assert.equal(digestOf(new Uint8Array(await pulled.arrayBuffer())), content.digest);
});
