import { useQuery } from '@tanstack/react-query';

import { useSteadyError } from '../../lib/action';
import { examine, type Report } from '../../lib/api/sagas';
import { describeResult, headline, ORDER } from '../../lib/health';
import { Badge, Button, Failure, Loading, Notice } from '../../ui/parts';
import { OpsPage } from './tabs';

type Check = Report['checks'][number];

export function DoctorPage() {
  const report = useQuery({ queryKey: ['doctor'], queryFn: ({ signal }) => examine(signal), staleTime: 0 });
  const failure = useSteadyError(report);
  return (
    <OpsPage title="Health checks" lead="Checked now, in the database and in RabbitMQ.">
      {failure ? (
        <Failure error={failure} retry={report.refetch} frank />
      ) : report.data ? (
        <Findings report={report.data} />
      ) : (
        <Loading shape="row" count={8} />
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
  const { tone, title } = headline(checks);
  return (
    <>
      <Notice tone={tone} role="status" title={title}>
        {report.unseen.length > 0 && (
          <ul>
            {report.unseen.map((unseen) => (
              <li key={unseen}>Not run: {unseen}</li>
            ))}
          </ul>
        )}
        {checks.some(({ result }) => result === 'not checked') && <p>Run <code>shopctl doctor</code> where all of them can be reached.</p>}
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
  const { tone, label } = describeResult(check);
  return (
    <li className="check">
      <p className="check-head">
        <Badge tone={tone}>{label}</Badge> <strong>{check.id}</strong> <span>{check.promise}</span>
      </p>
      {check.in_part != null && <p className="fine">Checked {check.in_part}.</p>}
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
