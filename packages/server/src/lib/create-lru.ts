import { LRUCache } from "lru-cache";

/**
 * Keeps what was used last: so many entries, or as many as `weightOf` together lets in. Takes memory for what is in it alone: with its own `max`, lru-cache sets the room for all entries aside
 * at once, which for the many memories of an idle server was 13 MB.
 */
export function createLru<K extends string | number, V extends object | number>(
  max: number,
  options: {
    readonly onEvict?: (value: V, key: K) => void;
    readonly weightOf?: (value: V, key: K) => number;
  } = {},
): LRUCache<K, V> {
  const { onEvict, weightOf = () => 1 } = options;
  return new LRUCache<K, V>({
    maxSize: max,
    sizeCalculation: weightOf,
    ...(onEvict === undefined
      ? {}
      : {
          dispose: (value, key, reason) => {
            if (reason === "evict") onEvict(value, key);
          },
        }),
  });
}
