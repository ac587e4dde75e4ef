import { useQuery } from '@tanstack/react-query';

import { useAction } from '../../lib/action';
import { getSettings } from '../../lib/api/client';
import { sendTrace } from '../../lib/api/sagas';
import { Button } from '../../ui/parts';

/** A trace's id; a link if a trace viewer is configured. */
export function Trace({ id, saga }: { id: string; saga?: string }) {
  const settings = useQuery({ queryKey: ['settings'], queryFn: getSettings, staleTime: Infinity });
  const url = settings.data?.trace_url?.replace('{trace_id}', id);
  const code = <code className="breaks">{id}</code>;
  if (!url) return code;
  return (
    <>
      <a href={url} rel="noreferrer" target="_blank">
        {code}
      </a>
      {saga !== undefined && <SendAgain saga={saga} />}
    </>
  );
}

/** A viewer discards old traces; the saga's journal keeps them. */
function SendAgain({ saga }: { saga: string }) {
  const sending = useAction({ mutationFn: () => sendTrace(saga) });
  return (
    <span className="trace-again">
      <Button kind="plain" className="small" busy={sending.isPending} onClick={() => sending.mutate()}>
        Send trace again
      </Button>
      <span role="status" className="fine">
        {sending.isSuccess && `Sent: ${sending.data.spans} spans.`}
        {sending.isError && <span className="error">{sending.error.message}</span>}
      </span>
    </span>
  );
}
