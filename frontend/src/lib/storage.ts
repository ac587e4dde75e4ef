/**
 * What the browser keeps for us. Where site data is blocked, reading or writing it throws: then a value
 * lives as long as this page does.
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
    // nothing is stored where nothing may be stored
  }
}

/** Remembers something until the tab is closed; false when it was remembered already, or cannot be. */
export function onceInTab(key: string): boolean {
  try {
    if (sessionStorage.getItem(key) !== null) return false;
    sessionStorage.setItem(key, '1');
    return true;
  } catch {
    return false;
  }
}
