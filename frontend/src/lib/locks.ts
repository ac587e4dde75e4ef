/**
 * Locks that the tabs of this browser share. There are none over plain HTTP (`navigator.locks` is undefined) and none
 * where site data is blocked (a request fails with `SecurityError`): then `run` goes on as if it held the lock.
 */
export async function withLock<T>(name: string, options: LockOptions, run: (held: boolean) => Promise<T>): Promise<T> {
  const { locks } = navigator as { locks?: LockManager };
  if (locks === undefined) return run(true);
  let begun = false as boolean;
  try {
    return await locks.request(name, options, (lock) => {
      begun = true;
      return run(lock !== null);
    });
  } catch (error) {
    if (!begun && error instanceof DOMException && error.name === 'SecurityError') return run(true);
    throw error;
  }
}
