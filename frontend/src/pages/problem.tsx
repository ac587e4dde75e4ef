import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useParams } from 'react-router';

import { useSteadyError } from '../lib/action';
import { answer, open, Refusal } from '../lib/api/client';
import { Failure, Loading, Page } from '../ui/parts';
import { NotFound } from './broken';

/** The page of a problem's `type`: its meaning and its remedy. */
export function ProblemPage() {
  const { slug = '' } = useParams();
  const page = useQuery({
    queryKey: ['problem', slug],
    queryFn: ({ signal }) => answer(open.GET('/api/problems/{slug}', { params: { path: { slug } }, parseAs: 'text', signal })),
    staleTime: Infinity,
  });
  const error = useSteadyError(page, slug);
  if (error instanceof Refusal && error.status === 404) return <NotFound />;
  if (page.data === undefined) {
    return <Page title={slug}>{error ? <Failure error={error} retry={page.refetch} /> : <Loading shape="row" count={3} />}</Page>;
  }
  const [head = '', ...paragraphs] = page.data.trim().split(/\n\n+/);
  return (
    <Page title={head.replace(/^# /, '')}>
      {paragraphs.map((paragraph) => (
        <p key={paragraph} className="breaks">
          {marked(paragraph)}
        </p>
      ))}
    </Page>
  );
}

/** Renders Markdown's bold and code, the only markup of these pages. */
function marked(text: string): ReactNode[] {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part, index) => {
    if (part.startsWith('**')) return <strong key={index}>{part.slice(2, -2)}</strong>;
    if (part.startsWith('`')) return <code key={index}>{part.slice(1, -1)}</code>;
    return part;
  });
}
