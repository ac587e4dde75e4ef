import { withLock } from './locks';

/**
 * Limits the open streams of all tabs of this browser. Over HTTP/1.1 a browser opens six
 * connections to a host for all its tabs: a seventh stream, and every other request, would wait for
 * ever.
 */

/** Most streams at once; the other connections remain for requests. */
export const STREAMS = 4;

/**
 * Takes one of the places for a stream; null when all are taken. Call the returned function when
 * the stream is over. Without locks a place is always free.
 */
export async function takeStream(signal: AbortSignal): Promise<(() => void) | null> {
  for (let place = 0; place < STREAMS && !signal.aborted; place++) {
    const release = await takePlace(`shop.stream.${place}`);
    if (release !== null) return release;
  }
  return null;
}

function takePlace(name: string): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const hold = async (held: boolean) => {
      if (!held) {
        resolve(null);
        return;
      }
      // held until it is released, or the tab is closed
      await new Promise<void>((release) => resolve(release));
    };
    withLock(name, { ifAvailable: true }, hold).catch(reject);
  });
}

/**
 * A random delay from half of the value to all of it: clients that fail at the same moment must not
 * return at the same moment.
 */
export const spread = (milliseconds: number, random = Math.random): number => milliseconds * (0.5 + random() / 2);
