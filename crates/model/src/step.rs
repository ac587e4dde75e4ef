//! The possible actions in a state.

use saga::{
    SignalKind,
    machine::{Op, State},
};

use crate::{
    decide::{OperatorVerb, Production},
    mutation::Mutation,
    rules::{self, Checked},
    store::nobody_holds,
    world::{
        Action, AttemptResult, Budget, Claim, Entry, EntryWork, News, Order, Row, Signals,
        Snapshot, Status, Tx, Worker, World,
    },
};

/// The explored variant: the budget of faults, and the planted mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// Limits of faults and of acts of people.
    pub budget: Budget,
    /// Whether a transaction locks the saga's row from its read to its write, as production does.
    /// Without the lock only the revision protects the row.
    pub locked: bool,
    /// The planted mutation.
    pub mutation: Option<Mutation>,
}

/// The system and its environment.
pub struct Model {
    pub(crate) production: Production,
    pub(crate) scenario: Scenario,
    /// Whether numbers keep their values, for counterexamples; otherwise states that differ only in
    /// numbers are merged.
    pub(crate) exact: bool,
}

pub(crate) type Next = Vec<(Action, Checked<World>)>;

impl Model {
    /// A model of `scenario`.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            production: Production::default(),
            scenario,
            exact: false,
        }
    }

    pub(crate) fn cut(&self, mutation: Mutation) -> bool {
        self.scenario.mutation == Some(mutation)
    }

    /// The two initial states of an order: run at once by the process that created it, or left to
    /// the workers.
    pub fn begin(&self) -> [World; 2] {
        [true, false].map(|eager| self.created(eager))
    }

    fn created(&self, eager: bool) -> World {
        let decision = self.production.begin();
        assert_eq!(
            decision.ops,
            [Op::Run(0)],
            "a checkout begins with its order"
        );
        let work =
            EntryWork::of(decision.next_entry).expect("a checkout begins with a remote step");
        let epoch = u8::from(eager);
        let claim = Claim {
            id: 0,
            epoch,
            work,
            valid: true,
        };
        World {
            row: Row {
                state: decision.state,
                paused: false,
                kept: 0,
            },
            signals: Signals::default(),
            entry: Some(Entry {
                id: 0,
                epoch,
                work,
                leased: eager,
            }),
            order: Order {
                status: Status::Pending,
                canceling: false,
                reserved: 1,
                sold: 0,
            },
            workers: [
                if eager {
                    Worker::Calls(claim)
                } else {
                    Worker::Idle
                },
                Worker::Idle,
            ],
            tx: Tx::None,
            news: News::default(),
            late_inits: 0,
            late_cancels: 0,
            deadline_passed: false,
            payment_undone: false,
            left: self.scenario.budget,
        }
    }

    /// All possible actions in `world`, with their results.
    pub fn next(&self, world: &World) -> Next {
        let mut next = Vec::with_capacity(24);
        for worker in 0..world.workers.len() {
            self.worker(world, worker, &mut next);
        }
        self.wire(world, &mut next);
        self.payer(world, &mut next);
        self.events(world, &mut next);
        self.people(world, &mut next);
        for (_, result) in &mut next {
            if let Ok(after) = result {
                *result = rules::change(world, after)
                    .and_then(|()| rules::state(self, after))
                    .map(|()| self.plain(*after));
            }
        }
        next
    }

    /// Whether the system itself will perform `action`, without a fault or an act of a person.
    pub fn is_due(action: Action) -> bool {
        match action {
            Action::Claim { stolen, .. } => !stolen,
            Action::Stores { unheard, .. } => !unheard,
            Action::Publishes { again } | Action::Delivered { again } => !again,
            Action::Answered(_)
            | Action::LateArrives { .. }
            | Action::LateLost { .. }
            | Action::Reads(_)
            | Action::DeadlinePasses
            | Action::Operates(OperatorVerb::Resume) => true,
            _ => false,
        }
    }

    /// Merges states that differ only in numbers which are never compared again.
    fn plain(&self, mut world: World) -> World {
        if self.exact || self.cut(Mutation::EntryIdUnchecked) {
            return world;
        }
        let current = world.entry.map(|entry| (entry.id, entry.epoch));
        for worker in &mut world.workers {
            if let Some(mut claim) = worker.claim() {
                let fits = current == Some((claim.id, claim.epoch));
                (claim.id, claim.epoch) = (0, u8::from(fits));
                *worker = worker.with(claim);
            }
        }
        if let Some(entry) = &mut world.entry {
            (entry.id, entry.epoch) = (0, 1);
        }
        world
    }

    fn worker(&self, world: &World, worker: usize, next: &mut Next) {
        match world.workers[worker] {
            Worker::Idle => self.claims(world, worker, next),
            Worker::Calls(claim) => self.calls(world, worker, claim, next),
            Worker::Holds(claim, result) if self.scenario.locked => {
                let snapshot = Snapshot {
                    row: world.row,
                    signals: world.signals,
                    current: true,
                };
                self.stores(world, worker, claim, result, snapshot, next);
            }
            Worker::Holds(claim, result) => {
                let snapshot = Snapshot {
                    row: world.row,
                    signals: world.signals,
                    current: true,
                };
                let mut after = *world;
                after.workers[worker] = Worker::Decides(claim, result, snapshot);
                next.push((Action::Reads(worker), Ok(after)));
            }
            Worker::Decides(claim, result, snapshot) => {
                self.stores(world, worker, claim, result, snapshot, next);
            }
        }
        if world.workers[worker] != Worker::Idle && world.left.crashes > 0 {
            let mut after = *world;
            after.left.crashes -= 1;
            if let Worker::Calls(claim) = world.workers[worker] {
                leave_on_the_way(&mut after, claim.work);
            }
            after.workers[worker] = Worker::Idle;
            next.push((Action::Crashes(worker), Ok(after)));
        }
    }

    fn claims(&self, world: &World, worker: usize, next: &mut Next) {
        let Some(entry) = world.entry else { return };
        let lives = world
            .workers
            .iter()
            .any(|worker| worker.claim().is_some_and(|claim| claim.valid));
        let stolen = entry.leased && lives;
        let waits = matches!(entry.work, EntryWork::Timer(_)) && !world.deadline_passed;
        if waits || (stolen && world.left.steals == 0) {
            return;
        }
        if entry.leased && self.cut(Mutation::LeaseNeverEnds) {
            return;
        }
        let mut after = *world;
        if stolen {
            after.left.steals -= 1;
        }
        nobody_holds(&mut after);
        let raised = u8::from(!self.cut(Mutation::ClaimKeepsEpoch));
        let epoch = entry.epoch + raised;
        after.entry = Some(Entry {
            epoch,
            leased: true,
            ..entry
        });
        let claim = Claim {
            id: entry.id,
            epoch,
            work: entry.work,
            valid: true,
        };
        after.workers[worker] = match entry.work {
            EntryWork::Timer(_) => Worker::Holds(claim, AttemptResult::Timer),
            EntryWork::Step(_) | EntryWork::Undo(_) => Worker::Calls(claim),
        };
        next.push((Action::Claim { worker, stolen }, Ok(after)));
    }

    fn calls(&self, world: &World, worker: usize, claim: Claim, next: &mut Next) {
        let undo = matches!(claim.work, EntryWork::Undo(_));
        let unknown = match undo {
            true if self.cut(Mutation::UnknownIsUndone) => AttemptResult::Undone,
            true => AttemptResult::NotUndone,
            false if self.cut(Mutation::UnknownIsDone) => AttemptResult::Done,
            false => AttemptResult::NotDone,
        };
        let ends = |after: World, result| {
            let mut after = after;
            after.workers[worker] = Worker::Holds(claim, result);
            after
        };
        let (handled, result) = self.handled(world, undo);
        next.push((Action::Answered(worker), Ok(ends(handled, result))));
        if world.left.network > 0 {
            let mut lost = ends(handled, unknown);
            lost.left.network -= 1;
            next.push((Action::AnswerLost(worker), Ok(lost)));
            let mut late = ends(*world, unknown);
            late.left.network -= 1;
            leave_on_the_way(&mut late, claim.work);
            next.push((Action::TimedOut(worker), Ok(late)));
            let mut never = ends(
                *world,
                if undo {
                    AttemptResult::NotUndone
                } else {
                    AttemptResult::NotDone
                },
            );
            never.left.network -= 1;
            next.push((Action::Unreachable(worker), Ok(never)));
        }
        if world.left.refusals > 0 && !undo && world.tx == Tx::None {
            let mut refused = ends(*world, AttemptResult::Refused);
            refused.left.refusals -= 1;
            next.push((Action::Refused(worker), Ok(refused)));
        }
        if world.left.duplicates > 0 {
            let mut twice = *world;
            twice.left.duplicates -= 1;
            leave_on_the_way(&mut twice, claim.work);
            next.push((Action::Repeated(worker), Ok(twice)));
        }
    }

    fn stores(
        &self,
        world: &World,
        worker: usize,
        claim: Claim,
        result: AttemptResult,
        snapshot: Snapshot,
        next: &mut Next,
    ) {
        for spent in [false, true] {
            if spent && result != AttemptResult::NotDone {
                continue;
            }
            let stored = self.store_attempt(world, claim, result, spent, snapshot);
            for unheard in [false, true] {
                if unheard && (world.left.commits == 0 || matches!(stored, Ok(None))) {
                    continue;
                }
                let after = stored.map(|after| {
                    let mut after = after.unwrap_or(*world);
                    after.workers[worker] = Worker::Idle;
                    if unheard {
                        after.left.commits -= 1;
                        // the fence decides whether the worker may still write
                        let valid = after.entry.is_some_and(|entry| {
                            !entry.leased && (entry.id, entry.epoch) == (claim.id, claim.epoch)
                        });
                        after.workers[worker] = Worker::Holds(Claim { valid, ..claim }, result);
                    }
                    after
                });
                next.push((
                    Action::Stores {
                        worker,
                        spent,
                        unheard,
                    },
                    after,
                ));
            }
        }
    }

    fn people(&self, world: &World, next: &mut Next) {
        if matches!(world.row.state, State::Waiting { .. }) && !world.deadline_passed {
            let mut after = *world;
            after.deadline_passed = true;
            next.push((Action::DeadlinePasses, Ok(after)));
        }
        if world.left.cancels > 0 {
            let mut after = *world;
            after.left.cancels -= 1;
            next.push((Action::UserCancels, self.signal(&after, SignalKind::Cancel)));
        }
        if world.row.state.is_at_rest() {
            return;
        }
        let mut acts = |verb, world: &World| {
            next.push((Action::Operates(verb), self.operates(world, verb)));
        };
        if world.row.paused {
            acts(OperatorVerb::Resume, world);
        }
        if world.left.acts == 0 {
            return;
        }
        let mut after = *world;
        after.left.acts -= 1;
        acts(OperatorVerb::Cancel, &after);
        if let Some(kind) = self.missing_signal(world) {
            // the event's own signal is known from now on
            after.news.known = true;
            after.news.heard += 1;
            acts(OperatorVerb::Signal(kind), &after);
            after.news = world.news;
        }
        if world.row.paused {
            return;
        }
        for verb in [OperatorVerb::Retry, OperatorVerb::Pause] {
            acts(verb, &after);
        }
        if self.may_be_resolved(world) {
            let verb = if matches!(world.row.state, State::Compensating { .. }) {
                OperatorVerb::Undone
            } else {
                OperatorVerb::Done
            };
            acts(verb, &after);
        }
    }

    /// The decision of payments that the shop has not received. Production verifies an operator's
    /// signal against the transaction.
    fn missing_signal(&self, world: &World) -> Option<SignalKind> {
        match world.tx {
            _ if world.news.known => None,
            Tx::Paid { right } if self.fits(right) => Some(SignalKind::Proceed),
            Tx::Canceled => Some(SignalKind::Abort),
            _ => None,
        }
    }

    /// Whether an operator may resolve the current step. Production verifies it: for "done" the
    /// transaction must exist, for "undone" it or its tombstone must be canceled.
    fn may_be_resolved(&self, world: &World) -> bool {
        match (world.row.state, world.tx) {
            (State::Running { .. } | State::Compensating { .. }, _)
                if self.cut(Mutation::ResolvedUnseen) =>
            {
                true
            }
            (State::Running { .. }, Tx::Pending) => true,
            (State::Running { .. }, Tx::Paid { right }) => self.fits(right),
            (State::Compensating { .. }, Tx::Canceled | Tx::Tombstone) => true,
            _ => false,
        }
    }
}

fn leave_on_the_way(world: &mut World, work: EntryWork) {
    match work {
        EntryWork::Step(_) => world.late_inits += 1,
        EntryWork::Undo(_) => world.late_cancels += 1,
        EntryWork::Timer(_) => {}
    }
}
