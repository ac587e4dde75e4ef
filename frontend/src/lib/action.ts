import { type DefaultError, useMutation, type UseMutationOptions, type UseMutationResult } from '@tanstack/react-query';
import { useRef, useState } from 'react';

/**
 * A mutation that runs once at a time. `isPending` is what was drawn last: the second click of a double
 * click comes before that, so the guard stands here and not at the button.
 */
export function useAction<Data, Variables = void>(
  options: Omit<UseMutationOptions<Data, DefaultError, Variables>, 'onSettled'> & { onSettled?: () => void },
): UseMutationResult<Data, DefaultError, Variables> {
  const running = useRef(false);
  const { onSettled, ...rest } = options;
  const mutation = useMutation<Data, DefaultError, Variables>({
    ...rest,
    onSettled: () => {
      running.current = false;
      onSettled?.();
    },
  });
  const mutate: typeof mutation.mutate = (...args) => {
    if (running.current) return;
    running.current = true;
    mutation.mutate(...args);
  };
  return { ...mutation, mutate };
}

/**
 * Why a query has nothing to show. It stays while the query is tried again, so that the notice does not
 * give way to grey bars every few seconds. `key`: what is asked for; another question begins anew.
 */
export function useSteadyError(query: { error: unknown; data: unknown }, key = ''): unknown {
  const [last, setLast] = useState<{ key: string; error: unknown }>({ key, error: null });
  const error = query.error ?? (query.data === undefined && last.key === key ? last.error : null);
  if (error !== last.error || key !== last.key) setLast({ key, error });
  return error;
}
