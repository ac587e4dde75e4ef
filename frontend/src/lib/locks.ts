/**
 * Locks shared by the tabs of this browser. Over plain HTTP none exist (`navigator.locks` is
 * undefined), and where site data is blocked a request fails with `SecurityError`: in both cases
 * `run` proceeds as if it held the lock.
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
