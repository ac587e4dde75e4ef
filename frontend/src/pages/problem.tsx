import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';

import { useSteadyError } from '../lib/action';
import { answer, open, Refusal } from '../lib/api/client';
import { Failure, Loading, Page } from '../ui/parts';
import { NotFound } from './broken';

/** What a problem's `type` leads to: what happened, and what to do. */
export function ProblemPage() {
  const { slug = '' } = useParams();
  const page = useQuery({
    queryKey: ['problem', slug],
    queryFn: ({ signal }) => answer(open.GET('/api/problems/{slug}', { params: { path: { slug } }, parseAs: 'text', signal })),
    staleTime: Infinity,
  });
  const error = useSteadyError(page, slug);
  if (error instanceof Refusal && error.status === 404) return <NotFound />;
  return (
    <Page title={`Problem: ${slug}`}>
      {page.data !== undefined ? <pre className="problem">{page.data}</pre> : error ? <Failure error={error} retry={page.refetch} /> : <Loading shape="row" count={3} />}
    </Page>
  );
}
