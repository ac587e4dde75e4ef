import { type DefaultError, useMutation, type UseMutationOptions, type UseMutationResult } from '@tanstack/react-query';
import { useRef, useState } from 'react';

/**
 * A mutation that runs once at a time. `isPending` is only as fresh as the last render, and the
 * second click of a double click comes before it, so the guard is here and not at the button.
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
 * The error of a query without data. It stays while the query is retried, so that the notice does
 * not alternate with loading placeholders every few seconds. `key` identifies the request; another
 * key starts without an error.
 */
export function useSteadyError(query: { error: unknown; data: unknown }, key = ''): unknown {
  const [last, setLast] = useState<{ key: string; error: unknown }>({ key, error: null });
  const error = query.error ?? (query.data === undefined && last.key === key ? last.error : null);
  if (error !== last.error || key !== last.key) setLast({ key, error });
  return error;
}
