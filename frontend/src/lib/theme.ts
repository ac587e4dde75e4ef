/** Light, dark, or what the system says. */
import { createStore, useStore } from './store';

export type Theme = 'system' | 'light' | 'dark';

const PLACE = 'shop.theme';
const THEMES: Theme[] = ['system', 'light', 'dark'];

const stored = localStorage.getItem(PLACE);
const theme = createStore<Theme>(THEMES.find((known) => known === stored) ?? 'system');

export const useTheme = (): Theme => useStore(theme);

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme.get();
}

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.get()) + 1) % THEMES.length] ?? 'system';
  localStorage.setItem(PLACE, next);
  theme.set(next);
  applyTheme();
}
