//! The workflows that a program knows: their plans with code, types erased.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use crate::store::claim::PlanKey;
use futures::future::BoxFuture;
use kernel::{SagaId, SignalId, TraceRef};
use serde_json::Value;
use sqlx::PgConnection;

use super::{erased::Body, milestone::Milestone};
use crate::{
    codec::Unreadable,
    engine::EngineError,
    machine::Op,
    plan::{Complete, Plan, Saga},
    preview::{Assertion, Description, PlannedEffect, VerifyError},
    shape::Shape,
    step::{Outcome, Refusal, StepCx, Undo},
    store::Row,
    transition::Transition,
};

/// Writes the log line of a milestone: [`Saga::log`] of one workflow.
pub(crate) type Logger = fn(&AnyInput, &Milestone<'_>);

/// The workflows of a program. Their remote steps share the ports `P`, and their operators see
/// participants through the view `V`. Adding a workflow takes one line.
pub struct Registry<P, V: ?Sized> {
    workflows: Vec<Arc<dyn Workflow<P, V>>>,
}

impl<P, V: ?Sized> Clone for Registry<P, V> {
    fn clone(&self) -> Self {
        let workflows = self.workflows.clone();
        Self { workflows }
    }
}

impl<P, V: ?Sized> Default for Registry<P, V> {
    fn default() -> Self {
        let workflows = Vec::new();
        Self { workflows }
    }
}

impl<P, V: ?Sized> fmt::Debug for Registry<P, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.workflows.iter().map(|workflow| workflow.name());
        f.debug_list().entries(names).finish()
    }
}

impl<P: Send + Sync + 'static, V: ?Sized + Send + Sync + 'static> Registry<P, V> {
    /// Adds a workflow.
    ///
    /// # Panics
    /// When the registry already has a workflow of this name, or when a plan of the workflow is
    /// invalid, so that no process starts with it.
    #[must_use]
    pub fn with<S: Saga<Ports = P, View = V>>(self, saga: S) -> Self {
        let mut plans = vec![(S::VERSION, S::plan())];
        plans.extend(S::earlier());
        self.with_plans(saga, plans)
    }

    /// Like [`Registry::with`], with other plans than the workflow's own: the plan of new sagas
    /// first, then earlier plans. A test of an upgrade builds the next release this way.
    ///
    /// # Panics
    /// See [`Registry::with`].
    #[must_use]
    pub fn with_plans<S: Saga<Ports = P, View = V>>(
        mut self,
        saga: S,
        plans: Vec<(i32, Plan<S, Complete>)>,
    ) -> Self {
        let known = self.workflows.iter().any(|it| it.name() == S::NAME);
        assert!(!known, "two workflows are called `{}`", S::NAME);
        self.workflows.push(Arc::new(Defined::new(saga, plans)));
        self
    }

    /// The versions of all plans; for each workflow, the version of new sagas comes first.
    pub fn versions(&self) -> Vec<PlanVersion> {
        let workflows = self.workflows.iter();
        workflows.flat_map(|it| it.versions().to_vec()).collect()
    }

    /// The shapes of all plans; for each workflow, the shape of new sagas comes first.
    pub fn shapes(&self) -> Vec<Shape> {
        let versions = self.workflows.iter().flat_map(|it| it.versions());
        versions.map(|version| version.shape.clone()).collect()
    }

    /// Verifies an operator's assertion about a saga of this plan with this stored input.
    ///
    /// # Errors
    /// [`VerifyError`]; when the plan is unknown or its input unreadable,
    /// [`VerifyError::Unavailable`].
    pub async fn verify(
        &self,
        view: &V,
        plan: &str,
        input: &Value,
        assertion: Assertion<'_>,
    ) -> Result<(), VerifyError> {
        let mut workflows = self.workflows.iter();
        let workflow = workflows.find(|workflow| workflow.name() == plan);
        let unknown = || VerifyError::Unavailable(format!("plan {plan} is not known here"));
        let workflow = workflow.ok_or_else(unknown)?;
        let input = workflow.read(input.clone());
        let input = input.map_err(|why| VerifyError::Unavailable(why.to_string()))?;
        workflow.verify(view, &input, assertion).await
    }

    pub(crate) fn definitions(&self) -> Vec<Arc<dyn Definition>> {
        let workflows = self.workflows.iter();
        workflows.map(|it| Arc::clone(it) as _).collect()
    }

    pub(crate) fn runnable(&self) -> Vec<Arc<dyn Runs<P>>> {
        let workflows = self.workflows.iter();
        workflows.map(|it| Arc::clone(it) as _).collect()
    }
}

/// A version of a plan, without its code.
#[derive(Debug, Clone)]
pub struct PlanVersion {
    /// Its shape.
    pub shape: Shape,
    /// The hash of the shape.
    pub hash: String,
    /// How long each step waits or sleeps; zero for a step that does neither.
    pub waits: Vec<Duration>,
}

impl PlanVersion {
    fn of<S: Saga>(saga: &S, version: i32, plan: &Plan<S, Complete>) -> Self {
        let shape = plan.shape_as(version);
        let waits = plan.steps.iter().map(|step| step.body.waits(saga));
        Self {
            hash: shape.hash(),
            waits: waits.collect(),
            shape,
        }
    }

    /// The key that marks the rows and entries of its sagas.
    pub fn key(&self) -> PlanKey {
        PlanKey {
            name: self.shape.name.to_owned(),
            version: self.shape.version,
            hash: self.hash.clone(),
        }
    }

    /// Whether a row belongs to this version.
    pub fn is_of(&self, row: &Row) -> bool {
        row.plan == self.shape.name
            && row.plan_version == self.shape.version
            && row.plan_hash == self.hash
    }
}

/// A saga's input with its type erased; its type is always that of the workflow.
#[derive(Clone)]
pub(crate) struct AnyInput(Arc<dyn Any + Send + Sync>);

impl AnyInput {
    pub(crate) fn new<S: Saga>(input: S::Input) -> Self {
        Self(Arc::new(input))
    }

    fn of<S: Saga>(&self) -> &S::Input {
        self.0
            .downcast_ref()
            .expect("an input is read by the workflow that it is of")
    }
}

impl fmt::Debug for AnyInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyInput")
    }
}

/// The details of a saga's first step with their type erased.
pub(crate) type AnyDetails = dyn Any + Send + Sync;

/// Sagas of one batch, each with its transition.
pub(crate) type Batch<'a> = &'a [(&'a AnyInput, &'a Transition)];

/// The part of a workflow that deciding and storing need.
pub(crate) trait Definition: Send + Sync {
    fn name(&self) -> &'static str;

    /// The version of new sagas, then earlier ones.
    fn versions(&self) -> &[PlanVersion];

    fn read(&self, input: Value) -> Result<AnyInput, Unreadable>;

    fn attributes(&self, input: &AnyInput) -> Vec<(&'static str, String)>;

    fn logger(&self) -> Logger;

    fn signal_id(&self, input: &AnyInput, name: &str) -> SignalId;

    fn describe<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        input: &'a AnyInput,
        effect: PlannedEffect,
    ) -> BoxFuture<'a, sqlx::Result<Description>>;

    /// Runs the first step of new sagas, before all else, as it may refuse. The answers are in the
    /// order of the sagas.
    fn run_first<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [(&'a AnyInput, &'a AnyDetails)],
    ) -> BoxFuture<'a, sqlx::Result<Vec<Result<(), Refusal>>>>;

    /// Runs local work in the transaction that moves sagas of this version.
    fn run_op<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        version: usize,
        op: Op,
        sagas: Batch<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
}

/// The part of a workflow that running remote steps needs.
pub(crate) trait Runs<P>: Definition {
    /// Makes one attempt at a remote step; `None` if the step is not remote.
    fn run<'a>(&'a self, at: At<'a, P>) -> Option<BoxFuture<'a, Outcome>>;

    /// Makes one attempt at the undo of a remote step; `None` if the step has no undo.
    fn undo<'a>(&'a self, at: At<'a, P>) -> Option<BoxFuture<'a, Undo>>;
}

/// The context of an attempt.
pub(crate) struct At<'a, P> {
    pub(crate) ports: &'a P,
    pub(crate) saga_id: SagaId,
    pub(crate) input: &'a AnyInput,
    pub(crate) version: usize,
    pub(crate) step: usize,
    pub(crate) attempt: i32,
    pub(crate) trace: &'a TraceRef,
}

/// A workflow: everything that a registry needs of it.
trait Workflow<P, V: ?Sized>: Runs<P> {
    fn verify<'a>(
        &'a self,
        view: &'a V,
        input: &'a AnyInput,
        assertion: Assertion<'a>,
    ) -> BoxFuture<'a, Result<(), VerifyError>>;
}

/// A workflow with the code of its plans.
struct Defined<S: Saga> {
    saga: S,
    versions: Vec<PlanVersion>,
    /// In the order of `versions`.
    plans: Vec<Plan<S, Complete>>,
}

impl<S: Saga> Defined<S> {
    fn new(saga: S, plans: Vec<(i32, Plan<S, Complete>)>) -> Self {
        let versions = plans
            .iter()
            .map(|(version, plan)| PlanVersion::of(&saga, *version, plan));
        Self {
            versions: versions.collect(),
            plans: plans.into_iter().map(|(_, plan)| plan).collect(),
            saga,
        }
    }

    fn context<'a>(&'a self, at: &At<'a, S::Ports>) -> StepCx<'a, S> {
        StepCx {
            saga: &self.saga,
            ports: at.ports,
            saga_id: at.saga_id,
            input: at.input.of::<S>(),
            step: self.plans[at.version].steps[at.step].name,
            attempt: at.attempt,
            trace: at.trace,
        }
    }
}

impl<S: Saga> Definition for Defined<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn versions(&self) -> &[PlanVersion] {
        &self.versions
    }

    fn read(&self, input: Value) -> Result<AnyInput, Unreadable> {
        let input = serde_json::from_value(input);
        input
            .map(AnyInput::new::<S>)
            .map_err(|_| Unreadable::Corrupt { what: "input" })
    }

    fn attributes(&self, input: &AnyInput) -> Vec<(&'static str, String)> {
        S::attributes(input.of::<S>())
    }

    fn logger(&self) -> Logger {
        |input, milestone| S::log(input.of::<S>(), milestone)
    }

    fn signal_id(&self, input: &AnyInput, name: &str) -> SignalId {
        S::signal_id(input.of::<S>(), name)
    }

    fn describe<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        input: &'a AnyInput,
        effect: PlannedEffect,
    ) -> BoxFuture<'a, sqlx::Result<Description>> {
        Box::pin(S::describe(conn, input.of::<S>(), effect))
    }

    fn run_first<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [(&'a AnyInput, &'a AnyDetails)],
    ) -> BoxFuture<'a, sqlx::Result<Vec<Result<(), Refusal>>>> {
        Box::pin(async move {
            let Body::First(first) = &self.plans[0].steps[0].body else {
                return Ok(sagas.iter().map(|_| Ok(())).collect());
            };
            let typed = |(input, details): &(&'a AnyInput, &'a AnyDetails)| {
                let details = details.downcast_ref();
                let details = details.expect("a saga starts with the details of its workflow");
                (input.of::<S>(), details)
            };
            let sagas: Vec<_> = sagas.iter().map(typed).collect();
            first.run(conn, &sagas).await
        })
    }

    fn run_op<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        version: usize,
        op: Op,
        sagas: Batch<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let (Op::Record(at) | Op::Run(at) | Op::Undo(at)) = op else {
                let begun = sagas.iter().filter_map(|(input, transition)| {
                    Some((input.of::<S>(), transition.compensation()?))
                });
                let begun: Vec<_> = begun.collect();
                return Ok(S::begin_compensation_all(conn, &begun).await?);
            };
            let sagas: Vec<_> = sagas
                .iter()
                .map(|(input, transition)| (input.of::<S>(), transition.reason()))
                .collect();
            let inputs: Vec<_> = sagas.iter().map(|(input, _)| *input).collect();
            let step = &self.plans[version].steps[at];
            match (op, &step.body) {
                (Op::Record(_), Body::Remote { run, .. }) => run.record(conn, &inputs).await?,
                (Op::Run(_), Body::First(_)) => {} // see `run_first`
                (Op::Run(_), Body::Local { run, .. }) => run.run(conn, &inputs).await?,
                (Op::Undo(_), Body::First(first)) => first.undo(conn, &sagas).await?,
                (Op::Undo(_), Body::Local { undo: Some(it), .. }) => it.undo(conn, &sagas).await?,
                _ => {
                    return Err(EngineError::NotInPlan {
                        op,
                        step: step.name,
                    });
                }
            }
            Ok(())
        })
    }
}

impl<S: Saga> Runs<S::Ports> for Defined<S> {
    fn run<'a>(&'a self, at: At<'a, S::Ports>) -> Option<BoxFuture<'a, Outcome>> {
        let Body::Remote { run, .. } = &self.plans[at.version].steps[at.step].body else {
            return None;
        };
        Some(Box::pin(async move { run.run(&self.context(&at)).await }))
    }

    fn undo<'a>(&'a self, at: At<'a, S::Ports>) -> Option<BoxFuture<'a, Undo>> {
        let Body::Remote { undo, .. } = &self.plans[at.version].steps[at.step].body else {
            return None;
        };
        let undo = undo.as_ref()?;
        Some(Box::pin(async move { undo.undo(&self.context(&at)).await }))
    }
}

impl<S: Saga> Workflow<S::Ports, S::View> for Defined<S> {
    fn verify<'a>(
        &'a self,
        view: &'a S::View,
        input: &'a AnyInput,
        assertion: Assertion<'a>,
    ) -> BoxFuture<'a, Result<(), VerifyError>> {
        Box::pin(S::verify(view, input.of::<S>(), assertion))
    }
}
