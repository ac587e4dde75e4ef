import { withLock } from './locks';

/**
 * How many streams the tabs of this browser have open. A browser makes six connections to a host over HTTP/1.1, for all
 * its tabs: a seventh stream, and every other request, would wait for ever.
 */

/** Most streams at once; the other connections are left for requests. */
export const STREAMS = 4;

/**
 * Takes one of the places for a stream; null when there is none. Call what is returned when the stream is over. Where
 * there are no locks, there is always a place.
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
      // held until it is released, or the tab is gone
      await new Promise<void>((release) => resolve(release));
    };
    withLock(name, { ifAvailable: true }, hold).catch(reject);
  });
}

/** From half of it to all of it: what breaks for everybody at once must not come back at once. */
export const spread = (milliseconds: number, random = Math.random): number => milliseconds * (0.5 + random() / 2);
