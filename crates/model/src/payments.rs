//! Payments as its rules by row, its payer, and its messages to the shop.

use saga::SignalKind;

use crate::{
    mutation::Mutation,
    rules::Checked,
    step::{Model, Next},
    world::{Action, AttemptResult, Tx, World},
};

impl Model {
    /// The effect of a request at payments, and the meaning of its answer for the shop.
    pub(crate) fn handled(&self, world: &World, cancel: bool) -> (World, AttemptResult) {
        let mut after = *world;
        let result = match (cancel, world.tx) {
            (false, Tx::None) => {
                after.tx = Tx::Pending;
                AttemptResult::Done
            }
            (false, Tx::Canceled | Tx::Tombstone) if self.cut(Mutation::CanceledIsCreatedAgain) => {
                after.tx = Tx::Pending;
                AttemptResult::Done
            }
            (false, Tx::Paid { .. }) if self.cut(Mutation::CreationOverwrites) => {
                after.tx = Tx::Pending;
                AttemptResult::Done
            }
            (false, Tx::Pending | Tx::Paid { .. }) => AttemptResult::Done,
            (false, Tx::Canceled | Tx::Tombstone) => AttemptResult::Refused,
            (true, Tx::None) => {
                if !self.cut(Mutation::NoTombstone) {
                    after.tx = Tx::Tombstone;
                }
                AttemptResult::Undone
            }
            (true, Tx::Pending) => {
                after.tx = Tx::Canceled;
                after.news.outbox = !self.cut(Mutation::EventNotWritten);
                AttemptResult::Undone
            }
            (true, Tx::Canceled | Tx::Tombstone) => AttemptResult::Undone,
            (true, Tx::Paid { .. }) if self.cut(Mutation::CancelOverPaid) => {
                after.tx = Tx::Canceled;
                AttemptResult::Undone
            }
            (true, Tx::Paid { .. }) if self.cut(Mutation::PaidIsUndone) => AttemptResult::Undone,
            (true, Tx::Paid { right }) if self.fits(right) => AttemptResult::Overtaken,
            (true, Tx::Paid { .. }) => AttemptResult::NotUndone,
        };
        (after, result)
    }

    pub(crate) fn fits(&self, right: bool) -> bool {
        self.production.fits(right) || self.cut(Mutation::AmountUnchecked)
    }

    pub(crate) fn wire(&self, world: &World, next: &mut Next) {
        for cancel in [false, true] {
            let waiting = if cancel {
                world.late_cancels
            } else {
                world.late_inits
            };
            if waiting == 0 {
                continue;
            }
            let take = |mut after: World| {
                let late = if cancel {
                    &mut after.late_cancels
                } else {
                    &mut after.late_inits
                };
                *late -= 1;
                after
            };
            next.push((
                Action::LateArrives { cancel },
                Ok(take(self.handled(world, cancel).0)),
            ));
            next.push((Action::LateLost { cancel }, Ok(take(*world))));
        }
    }

    pub(crate) fn payer(&self, world: &World, next: &mut Next) {
        let open = world.tx == Tx::Pending
            || (world.tx == Tx::Canceled && self.cut(Mutation::CanceledCanBePaid));
        let decided = |tx| {
            let mut after = *world;
            after.tx = tx;
            after.news.outbox = !self.cut(Mutation::EventNotWritten);
            after
        };
        if open {
            let right = true;
            next.push((Action::Pays { right }, Ok(decided(Tx::Paid { right }))));
        }
        if world.tx == Tx::Pending {
            if world.left.lies > 0 {
                let right = false;
                let mut after = decided(Tx::Paid { right });
                after.left.lies -= 1;
                next.push((Action::Pays { right }, Ok(after)));
            }
            next.push((Action::CancelsPayment, Ok(decided(Tx::Canceled))));
        }
    }

    pub(crate) fn events(&self, world: &World, next: &mut Next) {
        for again in [false, true] {
            if again && world.left.duplicates == 0 {
                continue;
            }
            if world.news.outbox {
                let mut after = *world;
                after.news.queued += 1;
                after.news.outbox = again;
                after.left.duplicates -= u8::from(again);
                next.push((Action::Publishes { again }, Ok(after)));
            }
            if world.news.queued > 0 {
                let after = self.delivered(world).map(|mut after| {
                    after.news.queued -= u8::from(!again);
                    after.left.duplicates -= u8::from(again);
                    after
                });
                next.push((Action::Delivered { again }, after));
            }
        }
    }

    /// The consumer's transaction: check, and signal unless it is known.
    fn delivered(&self, world: &World) -> Checked<World> {
        let mut after = *world;
        let kind = match world.tx {
            Tx::Paid { right } if !self.fits(right) => {
                after.news.failed = 1;
                return Ok(after);
            }
            Tx::Paid { .. } => SignalKind::Proceed,
            _ => SignalKind::Abort,
        };
        if world.news.known && !self.cut(Mutation::KnownSignalTaken) {
            return Ok(after);
        }
        if self.cut(Mutation::AckBeforeCommit) && world.left.crashes > 0 {
            after.left.crashes -= 1;
            return Ok(after);
        }
        after.news.known = true;
        after.news.heard += 1;
        self.signal(&after, kind)
    }
}
