/**
 * Values stored in the browser. Where site data is blocked, reading or writing throws; then a value
 * lives as long as this page.
 */
const here = new Map<string, string>();

export function readStored(key: string): string | null {
  try {
    return localStorage.getItem(key) ?? here.get(key) ?? null;
  } catch {
    return here.get(key) ?? null;
  }
}

export function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
    here.delete(key);
  } catch {
    here.set(key, value);
  }
}

export function removeStored(key: string): void {
  here.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    // ignored where storing is blocked
  }
}

/**
 * Remembers a key until the tab is closed; false if it was remembered already, or cannot be stored.
 */
export function onceInTab(key: string): boolean {
  try {
    if (sessionStorage.getItem(key) !== null) return false;
    sessionStorage.setItem(key, '1');
    return true;
  } catch {
    return false;
  }
}
