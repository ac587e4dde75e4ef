//! Lists of sagas with their causes: the stuck ones, or those of one cause.
//!
//! A cause is computed on demand and never stored, so a list examines sagas until it has found
//! enough.

use std::collections::HashMap;

use kernel::SagaId;

use crate::{
    Operator, Why,
    cause::Code,
    sagas::{self, Filter, SagaSummary},
    why,
};

/// Sagas diagnosed at a time.
const BATCH_SIZE: usize = 500;

/// The causes to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiagnosisFilter {
    /// Only this cause.
    pub cause: Option<Code>,
    /// Only sagas that do not continue by themselves.
    pub stuck: bool,
}

impl DiagnosisFilter {
    /// Whether every cause is wanted.
    pub const fn any(self) -> bool {
        self.cause.is_none() && !self.stuck
    }

    fn fits(self, why: &Why) -> bool {
        self.cause.is_none_or(|cause| cause == why.diagnosis.code)
            && (!self.stuck || why.diagnosis.stuck)
    }
}

/// Sagas with their causes.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagnosedPage {
    /// The sagas that match, oldest first.
    pub found: Vec<(SagaSummary, Why)>,
    /// The last saga examined, if more may follow it.
    pub after: Option<SagaId>,
}

/// Returns up to `limit` sagas of `filter` whose causes are `wanted`, oldest first; examines at
/// most `max_examined` sagas.
///
/// # Errors
/// When the shop's database cannot be read. Each diagnosis names every other source that could not
/// be read.
pub async fn list(
    operator: &Operator,
    filter: &Filter,
    wanted: DiagnosisFilter,
    limit: usize,
    max_examined: usize,
) -> sqlx::Result<DiagnosedPage> {
    let mut filter = filter.clone();
    let sufficient = if wanted.any() { limit } else { BATCH_SIZE };
    let batch_size = sufficient.min(BATCH_SIZE).min(max_examined);
    let (mut found, mut examined) = (Vec::new(), 0);
    loop {
        let mut conn = operator.engine.pool().acquire().await?;
        // one more than is diagnosed: its presence shows that more sagas follow
        let rows = i64::try_from(batch_size + 1).unwrap_or(i64::MAX);
        let mut some = sagas::list(&mut conn, &filter, rows).await?;
        drop(conn);
        let more = some.len() > batch_size;
        some.truncate(batch_size);
        examined += some.len();
        let ids: Vec<_> = some.iter().map(|saga| saga.saga_id).collect();
        let whys = why(operator, &ids).await?.into_iter();
        let mut whys: HashMap<_, _> = whys.map(|why| (why.saga_id, why)).collect();
        for (place, saga) in some.into_iter().enumerate() {
            filter.after = Some(saga.saga_id);
            if let Some(why) = whys.remove(&saga.saga_id).filter(|why| wanted.fits(why)) {
                found.push((saga, why));
            }
            if found.len() == limit {
                let after = filter.after.filter(|_| more || place + 1 < ids.len());
                return Ok(DiagnosedPage { found, after });
            }
        }
        if !more || examined >= max_examined {
            let after = filter.after.filter(|_| more);
            return Ok(DiagnosedPage { found, after });
        }
    }
}
