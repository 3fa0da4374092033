/** What is there at once or comes later. On paths that nearly always have the answer in memory, waiting for a promise costs more than the answer. */
export type MaybePromise<T> = T | Promise<T>;

/** `use` of the value: now when it is there. What `use` throws is thrown or rejects, as the value was there or came. */
export function whenReady<T, R>(value: MaybePromise<T>, use: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
