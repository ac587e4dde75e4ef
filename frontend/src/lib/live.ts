/** Follows an order through its event stream, and polls while no stream is open. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { Refusal } from './api/client';
import { type Order, watchOrder } from './api/orders';
import { pause } from './checkout';
import { applyChange, isOver } from './status';
import { spread, takeStream } from './streams';

/** Poll interval while the stream is broken, milliseconds. */
const POLL = 2_000;

export function useLiveOrder<Found extends Order>(id: string, kind: string, get: (id: string, signal: AbortSignal) => Promise<Found>) {
  const client = useQueryClient();
  const [streaming, setStreaming] = useState(false);
  const query = useQuery({
    queryKey: [kind, id],
    queryFn: ({ signal }) => get(id, signal),
    refetchInterval: ({ state }) => (streaming || (state.data && isOver(state.data)) ? false : POLL),
  });
  const there = query.data !== undefined;
  const over = query.data !== undefined && isOver(query.data);

  useEffect(() => {
    if (!there || over) return;
    const stop = new AbortController();
    const key = [kind, id];
    void follow(id, stop.signal, setStreaming, {
      seen: () => client.getQueryData<Found>(key)?.history.length ?? 0,
      tell: (update) => client.setQueryData<Found>(key, (order) => order && { ...order, ...update(order) }),
      ask: () => client.invalidateQueries({ queryKey: key }),
    });
    return () => stop.abort();
  }, [client, id, kind, there, over]);

  return { ...query, streaming };
}

interface Told {
  seen: () => number;
  tell: (update: (order: Order) => Order) => unknown;
  ask: () => Promise<void>;
}

async function follow(
  id: string,
  signal: AbortSignal,
  setStreaming: (streaming: boolean) => void,
  order: Told,
): Promise<void> {
  const stopped = () => signal.aborted;
  for (let failures = 0; !stopped(); ) {
    const release = await takeStream(signal);
    if (stopped()) return release?.();
    if (release === null) {
      // other tabs hold all allowed streams, so this one polls
      await pause(spread(POLL), signal);
      continue;
    }
    try {
      const opened = () => {
        failures = 0;
        setStreaming(true);
      };
      for await (const { id: number, change } of watchOrder(id, order.seen(), signal, opened)) {
        order.tell((before) => applyChange(before, number, change));
      }
      // the server ended the stream: after the last change, or because the client must reconnect
      await order.ask();
    } catch (error) {
      if (stopped()) return;
      if (error instanceof Refusal && error.status === 404) return;
    } finally {
      release();
    }
    if (stopped()) return;
    setStreaming(false);
    failures += 1;
    await pause(spread(Math.min(500 * 2 ** failures, 10_000)), signal);
  }
}
