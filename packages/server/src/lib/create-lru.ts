import { LRUCache } from "lru-cache";

/**
 * Keeps the `maxEntries` that were used last. Takes memory for what is in it alone: with its own `max`, lru-cache sets the room for all entries aside
 * at once, which for the many memories of an idle server was 13 MB.
 */
export function createLru<K extends string | number, V extends object | number>(
  maxEntries: number,
  options: { readonly onEvict?: (value: V, key: K) => void } = {},
): LRUCache<K, V> {
  const { onEvict } = options;
  return new LRUCache<K, V>({
    maxSize: maxEntries,
    sizeCalculation: () => 1,
    ...(onEvict === undefined
      ? {}
      : {
          dispose: (value, key, reason) => {
            if (reason === "evict") onEvict(value, key);
          },
        }),
  });
}
