import { randomBytes } from "node:crypto";
import { buffer as collect } from "node:stream/consumers";
import type { ObjectMedium } from "./object-medium.ts";

/** One right or ability that keeping blobs needs, and whether the service gives it. */
export interface Examined {
  readonly name: string;
  /** Undefined = it works; else what went wrong. */
  readonly problem: unknown;
}

/**
 * Tries everything that keeping blobs needs of an object store, with a few small objects under `probe/` that are removed again: writing, reading a
 * range, listing, large objects in parts, ending one that is not finished, deleting. The first that fails is the last: the others would
 * say the same. Never throws.
 */
export async function examineMedium(medium: ObjectMedium): Promise<readonly Examined[]> {
  const folder = `probe/${randomBytes(8).toString("hex")}/`;
  const bytes = randomBytes(64);
  const examined: Examined[] = [];
  const steps: readonly (readonly [string, () => Promise<void>])[] = [
    ["put an object", () => medium.put(`${folder}whole`, bytes)],
    ["get a range of it", () => expectRange(medium, `${folder}whole`, bytes)],
    ["list objects", () => expectListed(medium, folder)],
    ["write an object in parts", () => writeInParts(medium, `${folder}parts`, bytes)],
    ["end an unfinished object", () => endUnfinished(medium, `${folder}unfinished`, bytes)],
    ["delete objects", () => medium.delete([`${folder}whole`, `${folder}parts`])],
  ];
  for (const [name, work] of steps) {
    try {
      await work();
      examined.push({ name, problem: undefined });
    } catch (problem) {
      examined.push({ name, problem });
      break;
    }
  }
  if (examined.length > 1) await medium.delete([`${folder}whole`, `${folder}parts`]).catch(() => {});
  return examined;
}

async function expectRange(medium: ObjectMedium, key: string, bytes: Buffer): Promise<void> {
  const stream = await medium.get(key, 8, 16);
  const got = stream === undefined ? undefined : await collect(stream);
  if (got?.equals(bytes.subarray(8, 24)) !== true) {
    throw new Error("the object store gave back other bytes than were written");
  }
}

async function expectListed(medium: ObjectMedium, folder: string): Promise<void> {
  for await (const { key } of medium.list(folder)) if (key === `${folder}whole`) return;
  throw new Error("the object store does not list what was just written");
}

async function writeInParts(medium: ObjectMedium, key: string, bytes: Buffer): Promise<void> {
  const object = await medium.begin(key);
  try {
    await object.writePart(1, bytes);
    await object.complete();
  } catch (error) {
    await object.abort().catch(() => {});
    throw error;
  }
}

async function endUnfinished(medium: ObjectMedium, key: string, bytes: Buffer): Promise<void> {
  const object = await medium.begin(key);
  await object.writePart(1, bytes);
  for await (const unfinished of medium.listUnfinished(key)) await medium.abort(unfinished);
  if ((await medium.getWhole(key)) !== undefined) throw new Error("an object that was ended can be read");
}
