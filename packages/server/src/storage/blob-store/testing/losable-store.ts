import type { BlobStore } from "../blob-store.ts";

/** A store that a test can lose: then every call fails, as when nobody answers. */
export interface LosableStore {
  readonly store: BlobStore;
  /** What is behind it, lost or not. */
  readonly inner: BlobStore;
  isLost: boolean;
  /** How often it was asked. */
  calls: number;
}

export function losableStore(inner: BlobStore): LosableStore {
  const losable: LosableStore = { isLost: false, calls: 0, store: inner, inner };
  const store = new Proxy(inner, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== "function" || name === "close") return method;
      if (name === "list") {
        return async function* list() {
          if (losable.isLost) throw new Error("connection refused");
          yield* inner.list();
        };
      }
      return (...given: unknown[]) => {
        losable.calls += 1;
        if (losable.isLost) return Promise.reject(new Error("connection refused"));
        return Reflect.apply(method, target, given) as unknown;
      };
    },
  });
  return Object.assign(losable, { store });
}
