/**
 * Keeps the focus on the page. A button that disappears after it was pressed leaves the focus on
 * `body`: the keyboard starts at the top of the page, and a screen reader falls silent. In that
 * case the focus moves to the heading of the nearest remaining part of the page.
 */
const HEADINGS = 'h1, h2, h3';

export function keepFocus(): () => void {
  let path: Element[] = [];
  const remember = (event: FocusEvent) => {
    path = [];
    for (let at = event.target as Element | null; at !== null; at = at.parentElement) path.push(at);
  };
  // a click outside all controls removes the focus on purpose
  const forget = (event: MouseEvent) => {
    if (document.activeElement === document.body && event.target instanceof Element && !event.target.closest('button, a, input')) path = [];
  };
  const mend = () => {
    const [last] = path;
    if (last === undefined || last.isConnected || document.activeElement !== document.body) return;
    const left = path.find((element) => element.isConnected && visibleHeading(element) !== null);
    const heading = (left && visibleHeading(left)) ?? document.querySelector<HTMLElement>('main');
    if (!heading) return;
    if (!heading.hasAttribute('tabindex')) heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  };
  const observer = new MutationObserver(mend);
  observer.observe(document.body, { childList: true, subtree: true });
  addEventListener('focusin', remember);
  addEventListener('mousedown', forget);
  return () => {
    observer.disconnect();
    removeEventListener('focusin', remember);
    removeEventListener('mousedown', forget);
  };
}

function visibleHeading(element: Element): HTMLElement | null {
  const headings = [...element.querySelectorAll<HTMLElement>(HEADINGS)];
  return headings.find((heading) => heading.checkVisibility()) ?? null;
}
