/** The theme: light, dark, or the system's choice. */
import { readStored, store as keep } from './storage';
import { createStore, useStore } from './store';

export type Theme = 'system' | 'light' | 'dark';

const PLACE = 'shop.theme';
const THEMES: Theme[] = ['system', 'light', 'dark'];

const stored = readStored(PLACE);
const theme = createStore<Theme>(THEMES.find((known) => known === stored) ?? 'system');

export const useTheme = (): Theme => useStore(theme);

/** The theme that follows this one. */
export const themeAfter = (current: Theme): Theme => THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? 'system';

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme.get();
}

export function nextTheme(): void {
  const next = themeAfter(theme.get());
  keep(PLACE, next);
  theme.set(next);
  applyTheme();
}
