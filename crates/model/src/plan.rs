//! A model check of any plan: the machine of [`saga::machine`] with participants that keep to the
//! rules.
//!
//! [`crate::explore`] checks checkout with its rows, workers and faults. This module checks a
//! plan's own possible mistakes: its order of steps, waits and signals. Participants take effect at
//! most once, refuse, do not answer, or answer too late. The participant of each wait decides once,
//! and each decision arrives at any time after that. A request to cancel comes at any time.

use std::collections::{HashMap, HashSet, VecDeque};

use saga::{
    CANCEL, Kind, Shape, SignalKind,
    machine::{self, Event, InterpretedSignal, Op, State},
};

/// The state of a step's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Effect {
    None,
    Done,
    /// Undone, or prevented before it happened: the step can no longer take effect.
    Undone,
}

/// A saga and its participants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    state: State,
    effects: Vec<Effect>,
    /// Signals that their participants have decided on but that have not arrived.
    decided: Vec<usize>,
    /// Signals without a final verdict.
    pending: Vec<usize>,
    /// Signals that their participants have decided on: one per wait, arrived or not.
    closed: Vec<usize>,
    /// Whether a request to cancel may still come.
    may_cancel: bool,
    /// A fact contradicted an earlier decision: an operator must investigate.
    breach: bool,
}

/// The extent of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explored {
    /// Distinct states.
    pub states: usize,
    /// Transitions between states.
    pub transitions: usize,
    /// States in which the saga is completed.
    pub completed: usize,
    /// States in which it is compensated.
    pub compensated: usize,
}

/// Explores every interleaving of a plan.
///
/// # Errors
/// The first rule that is violated, with the events that lead to it: a step runs before the steps
/// above it are done, takes effect twice, or is not undone in reverse; a completed saga lacks a
/// step; a compensated saga has an effect left; a contradiction arises although participants keep
/// to the rules; a saga cannot come to rest.
pub fn check(shape: &Shape) -> Result<Explored, String> {
    check_among(shape, shape)
}

/// Like [`check`], but the participants keep to the rules of another plan. This shows the result of
/// a false declaration.
///
/// # Errors
/// See [`check`].
pub fn check_among(shape: &Shape, truth: &Shape) -> Result<Explored, String> {
    Check {
        shape,
        truth,
        cancel: shape.signals.len(),
    }
    .run()
}

struct Check<'a> {
    shape: &'a Shape,
    /// The plan that participants keep to.
    truth: &'a Shape,
    /// The number that identifies a request to cancel among the signals.
    cancel: usize,
}

type Step = (String, Result<World, String>);

impl Check<'_> {
    fn run(&self) -> Result<Explored, String> {
        let unborn = World {
            state: State::Running { step: 0 },
            effects: vec![Effect::None; self.shape.steps.len()],
            decided: Vec::new(),
            pending: Vec::new(),
            closed: Vec::new(),
            may_cancel: true,
            breach: false,
        };
        let first = self.apply(unborn, &Event::Begun)?;
        let mut numbers = HashMap::from([(first.clone(), 0)]);
        let mut worlds = vec![first];
        let mut came = vec![(0, "begun".to_owned())];
        let mut back: Vec<Vec<usize>> = vec![Vec::new()];
        let mut transitions = 0;
        let mut open = VecDeque::from([0]);
        while let Some(at) = open.pop_front() {
            for (action, next) in self.next(&worlds[at]) {
                transitions += 1;
                let next = next.map_err(|why| {
                    format!("{}: {why}: {}, {action}", self.shape.name, way(&came, at))
                })?;
                let number = *numbers.entry(next.clone()).or_insert_with(|| {
                    worlds.push(next);
                    came.push((at, action));
                    back.push(Vec::new());
                    open.push_back(worlds.len() - 1);
                    worlds.len() - 1
                });
                back[number].push(at);
            }
        }
        self.every_world_has_a_way_out(&worlds, &came, &back)?;
        let count = |wanted: fn(&State) -> bool| {
            let states = worlds.iter().map(|world| &world.state);
            states.filter(|state| wanted(state)).count()
        };
        Ok(Explored {
            states: worlds.len(),
            transitions,
            completed: count(|state| *state == State::Completed),
            compensated: count(|state| matches!(state, State::Compensated { .. })),
        })
    }

    fn every_world_has_a_way_out(
        &self,
        worlds: &[World],
        came: &[(usize, String)],
        back: &[Vec<usize>],
    ) -> Result<(), String> {
        let at_rest = |at: &usize| worlds[*at].state.is_at_rest() || worlds[*at].breach;
        let mut open: Vec<_> = (0..worlds.len()).filter(at_rest).collect();
        let mut ends: HashSet<_> = open.iter().copied().collect();
        while let Some(at) = open.pop() {
            open.extend(back[at].iter().filter(|before| ends.insert(**before)));
        }
        let stuck = (0..worlds.len()).find(|at| !ends.contains(at));
        stuck.map_or(Ok(()), |at| {
            let way = way(came, at);
            Err(format!(
                "{}: it cannot come to rest: {way}",
                self.shape.name
            ))
        })
    }

    /// Every event that can happen.
    fn next(&self, world: &World) -> Vec<Step> {
        let mut next = match world.state {
            State::Running { step } => self.called(world, step),
            State::Compensating { step, .. } => self.undone(world, step),
            State::Waiting { step } => {
                let name = self.shape.steps[step].name;
                let passed = self.apply(world.clone(), &Event::DeadlinePassed);
                vec![(format!("the time of {name} passes"), passed)]
            }
            State::Completed | State::Compensated { .. } => Vec::new(),
        };
        self.decisions(world, &mut next);
        for (at, signal) in world.decided.iter().enumerate() {
            let mut after = world.clone();
            after.decided.remove(at);
            let name = self.shape.signals[*signal].name;
            next.push((format!("{name} arrives"), self.signaled(after, *signal)));
        }
        if world.may_cancel {
            let mut after = world.clone();
            after.may_cancel = false;
            next.push((CANCEL.to_owned(), self.signaled(after, self.cancel)));
        }
        next
    }

    fn called(&self, world: &World, step: usize) -> Vec<Step> {
        let name = self.shape.steps[step].name;
        let mut done = world.clone();
        if done.effects[step] == Effect::None {
            done.effects[step] = Effect::Done;
        }
        let mut next = Vec::new();
        if done.effects[step] == Effect::Done {
            next.push((
                format!("{name} is done"),
                self.apply(done.clone(), &Event::Done),
            ));
        }
        if world.effects[step] == Effect::None {
            let refused = Event::Refused("no".to_owned());
            next.push((
                format!("{name} is refused"),
                self.apply(world.clone(), &refused),
            ));
        }
        for budget_spent in [false, true] {
            let event = Event::NotDone { budget_spent };
            for (what, world) in [("is lost", world), ("is done, its answer lost", &done)] {
                let what = format!("{name} {what}, budget spent: {budget_spent}");
                next.push((what, self.apply(world.clone(), &event)));
            }
        }
        next
    }

    fn undone(&self, world: &World, step: usize) -> Vec<Step> {
        let name = self.shape.steps[step].name;
        let lost = self.apply(world.clone(), &Event::NotUndone);
        let mut next = vec![(format!("{name}/undo is lost"), lost)];
        if self.is_decided_by(world, step) {
            let overtaken = self.apply(world.clone(), &Event::Overtaken);
            next.push((format!("{name}/undo is overtaken"), overtaken));
            return next;
        }
        let mut undone = world.clone();
        undone.effects[step] = Effect::Undone;
        next.push((
            format!("{name}/undo is done"),
            self.apply(undone, &Event::Undone),
        ));
        next
    }

    /// Whether this step's participant has decided the pivot forward.
    fn is_decided_by(&self, world: &World, step: usize) -> bool {
        let pivot = Some(self.truth.pivot());
        self.truth.signals.iter().any(|signal| {
            let meaning = signal.meaning;
            (meaning.kind, meaning.wait, meaning.proves) == (SignalKind::Proceed, pivot, Some(step))
                && world.closed.contains(&self.number(signal.name))
        })
    }

    fn number(&self, name: &str) -> usize {
        let mut signals = self.truth.signals.iter();
        signals
            .position(|signal| signal.name == name)
            .unwrap_or(self.cancel)
    }

    /// The participants of waits decide, each once, after the step that their signal proves has
    /// taken effect.
    fn decisions(&self, world: &World, next: &mut Vec<Step>) {
        for (number, signal) in self.truth.signals.iter().enumerate() {
            let meaning = signal.meaning;
            let wait_of = |other: &usize| self.truth.signals[*other].meaning.wait;
            let closed = world
                .closed
                .iter()
                .any(|other| wait_of(other) == meaning.wait);
            let exists = meaning
                .proves
                .is_none_or(|step| world.effects[step] == Effect::Done);
            if closed || !exists {
                continue;
            }
            let mut after = world.clone();
            after.closed.push(number);
            after.closed.sort_unstable();
            after.decided.push(number);
            after.decided.sort_unstable();
            if let (SignalKind::Abort, Some(step)) = (meaning.kind, meaning.proves) {
                after.effects[step] = Effect::Undone; // the participant reverts its effect itself
            }
            next.push((format!("{} is decided", signal.name), Ok(after)));
        }
    }

    fn signaled(&self, mut world: World, signal: usize) -> Result<World, String> {
        let name = self
            .shape
            .signals
            .get(signal)
            .map_or(CANCEL, |signal| signal.name);
        let meaning = self
            .shape
            .meaning(name)
            .ok_or("the plan forgot its signal")?;
        let pending = self.pending(&world);
        let decision = machine::advance(self.shape, world.state, &Event::Signal(meaning), &pending);
        if decision.verdict == Some(saga::Verdict::Early) {
            world.pending.push(signal);
            world.pending.sort_unstable();
        }
        self.store(world, decision)
    }

    fn apply(&self, world: World, event: &Event) -> Result<World, String> {
        let pending = self.pending(&world);
        let decision = machine::advance(self.shape, world.state, event, &pending);
        self.store(world, decision)
    }

    fn pending(&self, world: &World) -> Vec<InterpretedSignal<usize>> {
        let meaning = |signal: &usize| {
            let name = self
                .shape
                .signals
                .get(*signal)
                .map_or(CANCEL, |signal| signal.name);
            self.shape.meaning(name)
        };
        let pending = world.pending.iter();
        pending
            .filter_map(|signal| {
                meaning(signal).map(|meaning| InterpretedSignal {
                    id: *signal,
                    meaning,
                })
            })
            .collect()
    }

    fn store(&self, mut world: World, decision: machine::Decision<usize>) -> Result<World, String> {
        for (signal, verdict) in decision.decided {
            if verdict != saga::Verdict::Early {
                world.pending.retain(|pending| *pending != signal);
            }
        }
        for op in decision.ops {
            self.local(&mut world, op)?;
        }
        world.state = decision.state;
        world.breach |= decision.breach;
        if decision.breach && !self.may_contradict() {
            return Err("participants that keep to the rules contradict each other".to_owned());
        }
        self.hold(&world)?;
        Ok(world)
    }

    fn local(&self, world: &mut World, op: Op) -> Result<(), String> {
        let name = |step: usize| self.shape.steps[step].name;
        match op {
            Op::Run(step) if world.effects[step] == Effect::None => {
                world.effects[step] = Effect::Done;
            }
            Op::Run(step) => return Err(format!("{} runs twice", name(step))),
            Op::Undo(step) if world.effects[step] == Effect::Done => {
                let above = &world.effects[step + 1..];
                if above.contains(&Effect::Done) {
                    return Err(format!("{} is undone before a step above it", name(step)));
                }
                world.effects[step] = Effect::Undone;
            }
            Op::Undo(step) => return Err(format!("{} is undone, and is not done", name(step))),
            Op::Record(step) if world.effects[step] == Effect::None => {
                return Err(format!("{} is recorded, and is not done", name(step)));
            }
            Op::Record(_) | Op::BeginCompensation => {}
        }
        Ok(())
    }

    /// The rules that hold in every state.
    fn hold(&self, world: &World) -> Result<(), String> {
        let steps = || self.shape.steps.iter().zip(&world.effects);
        let effects =
            || steps().filter(|(step, _)| matches!(step.kind, Kind::Local | Kind::Remote));
        match world.state {
            State::Running { step } => {
                let before = effects().take_while(|(it, _)| it.name != self.shape.steps[step].name);
                let skipped = before
                    .into_iter()
                    .find(|(_, effect)| **effect == Effect::None);
                if let Some((skipped, _)) = skipped {
                    return Err(format!("{} is skipped", skipped.name));
                }
            }
            State::Completed => {
                if let Some((step, _)) = effects().find(|(_, effect)| **effect != Effect::Done) {
                    return Err(format!("it is completed without {}", step.name));
                }
            }
            State::Compensated { .. } => {
                if let Some((step, _)) = effects().find(|(_, effect)| **effect == Effect::Done) {
                    return Err(format!("it is compensated, and {} is done", step.name));
                }
            }
            State::Waiting { .. } | State::Compensating { .. } => {}
        }
        Ok(())
    }

    /// Whether a decision may contradict an undo. A signal of the pivot or of a later wait may,
    /// unless it proves the last step with an effect before the pivot. So may an abort of an
    /// earlier wait.
    fn may_contradict(&self) -> bool {
        let pivot = self.truth.pivot();
        let last = self.truth.steps[..pivot]
            .iter()
            .rposition(saga::StepShape::has_an_effect);
        let of_others = |signal: &&saga::SignalShape| {
            let meaning = signal.meaning;
            meaning.wait >= Some(pivot) && (meaning.proves.is_none() || meaning.proves != last)
        };
        self.truth.signals.iter().any(|signal| of_others(&signal))
            || self
                .shape
                .signals
                .iter()
                .any(|it| it.meaning.kind == SignalKind::Abort && it.meaning.wait < Some(pivot))
    }
}

fn way(came: &[(usize, String)], to: usize) -> String {
    let mut way = Vec::new();
    let mut at = to;
    while at != 0 {
        way.push(came[at].1.as_str());
        at = came[at].0;
    }
    way.reverse();
    way.join(", ")
}
