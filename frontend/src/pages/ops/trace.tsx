import { useQuery } from '@tanstack/react-query';

import { getSettings } from '../../lib/api/client';

/** A trace's id; where traces are shown, it leads there. */
export function Trace({ id }: { id: string }) {
  const settings = useQuery({ queryKey: ['settings'], queryFn: getSettings, staleTime: Infinity });
  const url = settings.data?.trace_url?.replace('{trace_id}', id);
  const code = <code className="breaks">{id}</code>;
  if (!url) return code;
  return (
    <a href={url} rel="noreferrer" target="_blank">
      {code}
    </a>
  );
}
