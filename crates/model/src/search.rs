//! Searches all reachable states breadth first, with a back link from each: the first violation
//! found is one of the shortest.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use crate::{
    mutation::Mutation,
    rules::{self, Broken, Rule},
    step::{Model, Scenario},
    world::{Action, World},
};

/// More states than this mean that the model itself is wrong: it grows without end.
const TOO_MANY: usize = 20_000_000;

/// The result of an exploration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// States reached.
    pub states: usize,
    /// Transitions between states.
    pub transitions: usize,
    /// The largest distance of a state from the start, in actions.
    pub depth: usize,
    /// States in which nothing is due.
    pub settled: usize,
    /// The broken rule, if any.
    pub violation: Option<Violation>,
}

/// A broken rule, and a path to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The broken rule.
    pub broken: Broken,
    /// A shortest path to the violation.
    pub path: Vec<Action>,
    /// Whether it starts with the entry held by the process that created the saga.
    pub eager: bool,
    /// The index in the path at which an endless cycle starts.
    pub repeats_from: Option<usize>,
}

/// Explores every state of `scenario`, to the first violation or to the end.
pub fn explore(scenario: Scenario) -> Report {
    let model = Model::new(scenario);
    let mut search = Search::default();
    let mut violation = None;
    for world in model.begin() {
        search.visit(world, None, 0);
        if let Err(broken) = rules::state(&model, &world) {
            violation = Some((broken, search.worlds.len() - 1, None));
        }
    }
    let mut at = 0;
    while violation.is_none() && at < search.worlds.len() {
        violation = search.expand(&model, at);
        at += 1;
        assert!(at < TOO_MANY, "the model does not end");
    }
    let violation = violation.map(|(broken, at, last)| search.violation(broken, at, last, None));
    // a payment of a wrong amount is retried for ever, until an operator intervenes
    let may_repeat =
        scenario.budget.lies > 0 && scenario.mutation != Some(Mutation::AmountUnchecked);
    let violation = violation.or_else(|| {
        if may_repeat {
            None
        } else {
            search.circle(&model)
        }
    });
    Report {
        states: search.worlds.len(),
        transitions: search.edges.len(),
        depth: search
            .origin
            .iter()
            .map(|origin| origin.depth)
            .max()
            .unwrap_or(0) as usize,
        settled: search.settled,
        violation,
    }
}

#[derive(Default)]
struct Search {
    worlds: IndexSet<World, FxBuildHasher>,
    origin: Vec<Origin>,
    /// Index into `edges` of each state's first outgoing edge.
    first_edge: Vec<u32>,
    edges: Vec<u32>,
    settled: usize,
}

struct Origin {
    from: Option<(u32, Action)>,
    depth: u32,
}

type Found = (Broken, usize, Option<Action>);

impl Search {
    fn visit(&mut self, world: World, from: Option<(u32, Action)>, depth: u32) -> u32 {
        let (index, new) = self.worlds.insert_full(world);
        if new {
            self.origin.push(Origin { from, depth });
        }
        small(index)
    }

    fn expand(&mut self, model: &Model, at: usize) -> Option<Found> {
        let world = self.worlds[at];
        self.first_edge.push(small(self.edges.len()));
        let mut due = false;
        for (action, after) in model.next(&world) {
            due |= Model::is_due(action);
            match after {
                Err(broken) => return Some((broken, at, Some(action))),
                Ok(after) => {
                    let depth = self.origin[at].depth + 1;
                    let to = self.visit(after, Some((small(at), action)), depth);
                    self.edges.push(to);
                }
            }
        }
        if due {
            return None;
        }
        self.settled += 1;
        rules::settled(&world)
            .err()
            .map(|broken| (broken, at, None))
    }

    fn path(&self, to: usize) -> Vec<usize> {
        let mut path = vec![to];
        let mut at = to;
        while let Some((from, _)) = self.origin[at].from {
            at = from as usize;
            path.push(at);
        }
        path.reverse();
        path
    }

    fn violation(
        &self,
        broken: Broken,
        at: usize,
        last: Option<Action>,
        repeats_from: Option<usize>,
    ) -> Violation {
        let path = self.path(at);
        let actions = path
            .iter()
            .filter_map(|at| self.origin[*at].from.map(|(_, action)| action));
        Violation {
            broken,
            path: actions.chain(last).collect(),
            eager: path[0] == 0,
            repeats_from,
        }
    }

    fn ways(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self
            .first_edge
            .get(at + 1)
            .map_or(self.edges.len(), |end| *end as usize);
        let begin = self.first_edge.get(at).map_or(end, |begin| *begin as usize);
        self.edges[begin..end].iter().map(|to| *to as usize)
    }

    /// Finds a cycle of states. Budgets of faults and user acts only shrink, so the system goes
    /// through a cycle all by itself.
    fn circle(&self, model: &Model) -> Option<Violation> {
        let count = self.worlds.len();
        let mut into = vec![0u32; count];
        for to in &self.edges {
            into[*to as usize] += 1;
        }
        let mut open: Vec<_> = (0..count).filter(|at| into[*at] == 0).collect();
        let mut left = count;
        while let Some(at) = open.pop() {
            left -= 1;
            for to in self.ways(at) {
                into[to] -= 1;
                if into[to] == 0 {
                    open.push(to);
                }
            }
        }
        if left == 0 {
            return None;
        }
        let (from, round) = self.shortest_round(model, |at| into[at] > 0)?;
        let broken = Broken {
            rule: Rule::Ends,
            what: "the saga goes in circles, though nothing fails any more",
        };
        let mut violation = self.violation(broken, from, None, None);
        violation.repeats_from = Some(violation.path.len());
        violation.path.extend(round);
        Some(violation)
    }

    /// The first state that lies on a cycle, with the actions of one round. The search starts at
    /// each candidate, breadth first, and looks for a path back to it.
    fn shortest_round(
        &self,
        model: &Model,
        may_lie: impl Fn(usize) -> bool,
    ) -> Option<(usize, Vec<Action>)> {
        (0..self.worlds.len())
            .filter(|at| may_lie(*at))
            .find_map(|start| {
                let mut seen = IndexSet::<usize, FxBuildHasher>::default();
                let mut from = vec![usize::MAX];
                seen.insert(start);
                let mut at = 0;
                while at < seen.len() {
                    for to in self.ways(seen[at]).filter(|to| may_lie(*to)) {
                        if to == start {
                            return Some((start, self.actions_of(model, &seen, &from, at, start)));
                        }
                        if seen.insert(to) {
                            from.push(at);
                        }
                    }
                    at += 1;
                }
                None
            })
    }

    /// The actions from `start` to `last` and back.
    fn actions_of(
        &self,
        model: &Model,
        seen: &IndexSet<usize, FxBuildHasher>,
        from: &[usize],
        last: usize,
        start: usize,
    ) -> Vec<Action> {
        let mut states = vec![start, seen[last]];
        let mut at = last;
        while from[at] != usize::MAX {
            at = from[at];
            states.push(seen[at]);
        }
        states.reverse();
        let pairs = states.windows(2);
        pairs
            .filter_map(|pair| self.action(model, pair[0], pair[1]))
            .collect()
    }

    fn action(&self, model: &Model, from: usize, to: usize) -> Option<Action> {
        let ways = model.next(&self.worlds[from]);
        let mut ways = ways.into_iter();
        ways.find_map(|(action, after)| (after.ok()? == self.worlds[to]).then_some(action))
    }
}

fn small(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 states")
}
