import { open } from "node:fs/promises";

/**
 * Makes renames in a folder durable. Calls that come while one flush of the same folder is under way share the next one: a flush only covers what
 * was renamed before it began.
 */
export function createFolderSync(): (folder: string) => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();

  async function flush(folder: string): Promise<void> {
    const handle = await open(folder, "r");
    try {
      // fsync(2): a rename is only durable once the folder that holds the name is.
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  function start(folder: string): Promise<void> {
    const work = flush(folder).finally(() => {
      if (running.get(folder) === work) running.delete(folder);
    });
    running.set(folder, work);
    return work;
  }

  return (folder) => {
    const waiting = next.get(folder);
    if (waiting !== undefined) return waiting;
    const current = running.get(folder);
    if (current === undefined) return start(folder);
    const queued = current
      .catch(() => undefined) // told to those who waited for it
      .then(() => {
        next.delete(folder);
        return start(folder);
      });
    next.set(folder, queued);
    return queued;
  };
}
