import { useQuery } from '@tanstack/react-query';

import { examine, type Report } from '../../lib/api/sagas';
import type { Tone } from '../../lib/status';
import { Badge, Button, Failure, Loading, Notice } from '../../ui/parts';
import { OpsPage } from './tabs';

type Check = Report['checks'][number];

const TONES: Record<string, Tone | 'bad'> = { holds: 'good', violated: 'bad', warning: 'doubt', 'not checked': 'over' };
const ORDER = ['violated', 'warning', 'holds', 'not checked'];

export function DoctorPage() {
  const report = useQuery({ queryKey: ['doctor'], queryFn: ({ signal }) => examine(signal), staleTime: 0 });
  return (
    <OpsPage title="Doctor" lead="Every promise of the shop, checked in its database now.">
      {report.isPending ? (
        <Loading shape="row" count={8} />
      ) : report.isError ? (
        <Failure error={report.error} retry={report.refetch} frank />
      ) : (
        <Findings report={report.data} />
      )}
      <p>
        <Button busy={report.isFetching} onClick={() => void report.refetch()}>
          Check again
        </Button>
      </p>
    </OpsPage>
  );
}

function Findings({ report }: { report: Report }) {
  const checks = [...report.checks].sort((a, b) => ORDER.indexOf(a.result) - ORDER.indexOf(b.result));
  return (
    <>
      <Notice tone={report.well ? 'good' : 'bad'} role="status" title={report.well ? 'No invariant is violated' : 'An invariant is violated'}>
        {report.unseen.length > 0 && <p>Not all can be seen from here: `shopctl doctor` sees payments and RabbitMQ, too.</p>}
      </Notice>
      <ul className="checks">
        {checks.map((check) => (
          <CheckItem key={check.id} check={check} />
        ))}
      </ul>
    </>
  );
}

function CheckItem({ check }: { check: Check }) {
  return (
    <li className="check">
      <p className="check-head">
        <Badge tone={TONES[check.result] ?? 'over'}>{check.result}</Badge> <strong>{check.id}</strong> <span>{check.promise}</span>
      </p>
      {check.found.length > 0 && (
        <>
          <p>{check.explanation}.</p>
          <ul>
            {check.found.map(({ subject, what }) => (
              <li key={subject + what}>
                {subject}: {what}
              </li>
            ))}
          </ul>
          <p className="fine">What to do: {check.hint}.</p>
        </>
      )}
    </li>
  );
}
