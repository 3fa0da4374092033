/**
 * Asks `question` at most once in a turn of the event loop; who asks again in the same turn gets the same answer.
 *
 * Nothing is missed by that for requests: what they could depend on was done before they were sent, and a turn handles only requests that had
 * arrived when it began, that is before the first one asked.
 */
export function oncePerTurn<T>(question: () => T): () => T {
  let isFresh = false;
  let answer: T;
  const expire = () => {
    isFresh = false;
  };
  return () => {
    if (isFresh) return answer;
    answer = question();
    isFresh = true;
    setImmediate(expire);
    return answer;
  };
}
