import { Readable } from "node:stream";
import type { ObjectMedium, UnfinishedObject } from "../objects/object-medium.ts";

/** What a test sees of a medium in memory. */
export interface MemoryMedium extends ObjectMedium {
  readonly objects: ReadonlyMap<string, Buffer>;
  readonly unfinished: ReadonlyMap<string, readonly Buffer[]>;
  /** The requests so far, by name. */
  readonly requests: readonly string[];
}

/**
 * An object store in memory with tiny parts, strict about what the interface promises to it: no key is written twice, every part but the last is full.
 * `onRequest` may throw: `before` the request had its effect, or `after` it, as when an answer is lost.
 */
export function createMemoryMedium(
  limits: { readonly partBytes: number; readonly maxParts: number },
  onRequest: (name: string, when: "before" | "after") => void = () => {},
): MemoryMedium {
  const objects = new Map<string, Buffer>();
  const unfinished = new Map<string, Buffer[]>();
  const requests: string[] = [];

  async function request<T>(name: string, work: () => T): Promise<T> {
    requests.push(name);
    onRequest(name, "before");
    const result = work();
    onRequest(name, "after");
    return result;
  }
  function store(key: string, bytes: Buffer): void {
    if (objects.has(key) && !objects.get(key)?.equals(bytes)) throw new Error(`${key} is written twice`);
    objects.set(key, bytes);
  }

  return {
    ...limits,
    endpoint: undefined,
    objects,
    unfinished,
    requests,
    put: (key, bytes) => {
      const copy = Buffer.from(bytes);
      return request("put", () => store(key, copy));
    },
    async begin(key) {
      await request("begin", () => unfinished.set(key, []));
      return {
        writePart: (number, bytes) => {
          const copy = Buffer.from(bytes);
          return request("part", () => {
            if (number > limits.maxParts) throw new Error("too many parts");
            unfinished.get(key)?.splice(number - 1, 1, copy);
          });
        },
        complete: () =>
          request("complete", () => {
            const parts = unfinished.get(key) ?? [];
            if (parts.slice(0, -1).some((part) => part.byteLength !== limits.partBytes)) {
              throw new Error("a part is too small");
            }
            unfinished.delete(key);
            store(key, Buffer.concat(parts));
          }),
        abort: () => request("abort", () => void unfinished.delete(key)),
      };
    },
    get: (key, start, lengthBytes) =>
      request("get", () => {
        const bytes = objects.get(key)?.subarray(start, start + lengthBytes);
        return bytes === undefined ? undefined : Readable.from([bytes], { objectMode: false });
      }),
    getWhole: (key) => request("get", () => objects.get(key)),
    async *list(prefix) {
      const keys = await request("list", () => [...objects.keys()].filter((key) => key.startsWith(prefix)));
      for (const key of keys.toSorted()) {
        yield { key, sizeBytes: objects.get(key)?.byteLength ?? 0, modifiedAtMs: 1 };
      }
    },
    delete: async (keys) => {
      for (const key of keys) await request("delete", () => objects.delete(key));
    },
    async *listUnfinished(prefix) {
      const keys = await request("list", () => [...unfinished.keys()]);
      for (const key of keys) if (key.startsWith(prefix)) yield { key, token: "", begunAtMs: 1 };
    },
    abort: ({ key }: UnfinishedObject) => request("abort", () => void unfinished.delete(key)),
    signUrl: async (key) => `https://objects.example.org/${key}`,
    close: async () => {},
  };
}
