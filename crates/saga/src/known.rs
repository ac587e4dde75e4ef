//! The plans that a binary knows: the one of the sagas that it begins, and earlier ones, whose sagas
//! it brings to their end.

use crate::{
    plan::{Complete, Plan, Saga},
    shape::Shape,
    store::Row,
    stored::Unreadable,
};

/// One version of a plan.
pub(crate) struct Known<S: Saga> {
    pub(crate) plan: Plan<S, Complete>,
    pub(crate) shape: Shape,
    pub(crate) hash: String,
}

impl<S: Saga> Known<S> {
    fn of(version: i32, plan: Plan<S, Complete>) -> Self {
        let shape = plan.shape_as(version);
        let hash = shape.hash();
        Self { plan, shape, hash }
    }

    /// Whether a saga with these marks is of this plan.
    pub(crate) fn is(&self, version: i32, hash: &str) -> bool {
        self.shape.version == version && self.hash == hash
    }
}

/// The shapes of a workflow's plans: the one of new sagas first, then earlier ones.
pub fn shapes<S: Saga>() -> Vec<Shape> {
    let plans = Plans::<S>::new();
    plans.all().map(|known| known.shape.clone()).collect()
}

/// All that a binary knows.
pub(crate) struct Plans<S: Saga> {
    current: Known<S>,
    earlier: Vec<Known<S>>,
}

impl<S: Saga> Plans<S> {
    pub(crate) fn new() -> Self {
        let earlier = S::earlier().into_iter();
        Self {
            current: Known::of(S::VERSION, S::plan()),
            earlier: earlier
                .map(|(version, plan)| Known::of(version, plan))
                .collect(),
        }
    }

    /// The one of new sagas.
    pub(crate) const fn current(&self) -> &Known<S> {
        &self.current
    }

    /// The current one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Known<S>> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    /// The one of this row.
    pub(crate) fn of(&self, row: &Row) -> Result<&Known<S>, Unreadable> {
        self.all()
            .find(|known| row.plan == S::NAME && known.is(row.plan_version, &row.plan_hash))
            .ok_or_else(|| Unreadable::Plan {
                plan: row.plan.clone(),
                version: row.plan_version,
                hash: row.plan_hash.clone(),
            })
    }
}
