use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contracts::payments::{InitTransaction, Status, Transaction};
use futures::future::BoxFuture;
use kernel::{Clock, OrderId, TraceRef, TransactionId};
use workflows::payments::{Call, Cancellation, InitError, NoAnswer, Payments, Support};

/// The behavior of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The call is performed and answered.
    Answer,
    /// The call is never sent.
    Unreachable,
    /// The call is performed, and the answer is lost.
    DoneButUnknown,
    /// The call is not performed, and no answer arrives.
    Unknown,
    /// The call is refused for a business reason.
    Refuse,
    /// The call never returns.
    Hang,
    /// The call panics.
    Panic,
}

/// A fake payments with real transactions and a simulated network.
#[derive(Debug, Clone)]
pub struct FakePayments(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    init: Mode,
    cancel: Mode,
    level_1: bool,
    chooses_ids: bool,
    transactions: HashMap<OrderId, Transaction>,
    calls: Vec<String>,
}

impl Default for FakePayments {
    fn default() -> Self {
        let state = State {
            init: Mode::Answer,
            cancel: Mode::Answer,
            level_1: false,
            chooses_ids: false,
            transactions: HashMap::new(),
            calls: Vec::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl FakePayments {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the behavior of creations from now on.
    pub fn init_will(&self, mode: Mode) {
        self.state().init = mode;
    }

    /// Sets the behavior of cancellations from now on.
    pub fn cancel_will(&self, mode: Mode) {
        self.state().cancel = mode;
    }

    /// From now on, payments offers level 1 of its contract only: it chooses the ids of transactions,
    /// leaves out what the caller knows, and keeps no tombstones.
    pub fn offers_level_1_only(&self) {
        self.chooses_ids();
        self.state().level_1 = true;
    }

    /// From now on, payments takes no proposed id, neither for a transaction nor for a tombstone.
    pub fn chooses_ids(&self) {
        self.state().chooses_ids = true;
    }

    /// The effect keys of all calls so far.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// An order's transaction.
    pub fn transaction(&self, order: OrderId) -> Option<Transaction> {
        self.state().transactions.get(&order).cloned()
    }

    /// The payer pays; returns false when it is too late.
    pub fn pay(&self, order: OrderId) -> bool {
        self.decide(order, Status::Paid)
    }

    /// The payer cancels; returns false when it is too late.
    pub fn payer_cancels(&self, order: OrderId) -> bool {
        self.decide(order, Status::Canceled)
    }

    fn decide(&self, order: OrderId, status: Status) -> bool {
        let mut state = self.state();
        let found = state
            .transactions
            .get_mut(&order)
            .filter(|found| found.status == Status::Pending);
        found.map(|found| found.status = status).is_some()
    }

    /// Makes payments report a different paid amount.
    pub fn falsify(&self, order: OrderId) {
        if let Some(amount) = self
            .state()
            .transactions
            .get_mut(&order)
            .and_then(|found| found.amount.as_mut())
        {
            amount.amount += 1;
        }
    }

    fn init(&self, key: String, request: &InitTransaction) -> Result<Transaction, InitError> {
        let mut state = self.state();
        state.calls.push(key);
        if let Mode::Refuse = state.init {
            return Err(InitError::Refused("the fake says no".to_owned()));
        }
        if !matches!(state.init, Mode::Answer | Mode::DoneButUnknown) {
            return Err(no_answer(state.init).into());
        }
        let (mode, level_1) = (state.init, state.level_1);
        let chooses_ids = state.chooses_ids;
        let proposed = request.transaction_id.filter(|_| !chooses_ids);
        let new = Transaction {
            transaction_id: proposed.unwrap_or_else(TransactionId::new),
            order_id: (!level_1).then_some(request.order_id),
            user_id: Some(request.user_id),
            amount: (!level_1).then(|| request.amount.clone()),
            status: Status::Pending,
            created_at: (!level_1).then(|| Clock::System.now()),
            completed_at: None,
            canceled_at: None,
        };
        let there = state.transactions.entry(request.order_id).or_insert(new);
        if there.status == Status::Canceled && !level_1 {
            return Err(InitError::Refused("the order is canceled".to_owned()));
        }
        match mode {
            Mode::Answer => Ok(there.clone()),
            lost => Err(no_answer(lost).into()),
        }
    }

    fn cancel(
        &self,
        key: String,
        order: OrderId,
        id: TransactionId,
    ) -> Result<Cancellation, NoAnswer> {
        let mut state = self.state();
        state.calls.push(key);
        if matches!(state.cancel, Mode::Answer | Mode::DoneButUnknown) {
            let chosen = state.chooses_ids.then(TransactionId::new);
            let tombstone = Transaction {
                transaction_id: chosen.unwrap_or(id),
                order_id: Some(order),
                user_id: None,
                amount: None,
                status: Status::Canceled,
                created_at: Some(Clock::System.now()),
                completed_at: None,
                canceled_at: None,
            };
            let there = state.transactions.entry(order).or_insert(tombstone);
            if there.status == Status::Paid {
                return Ok(Cancellation::AlreadyPaid(Box::new(there.clone())));
            }
            there.status = Status::Canceled;
        }
        match state.cancel {
            Mode::Answer => Ok(Cancellation::Canceled(
                state
                    .transactions
                    .get(&order)
                    .map(|there| there.transaction_id),
            )),
            lost => Err(no_answer(lost)),
        }
    }
}

fn no_answer(mode: Mode) -> NoAnswer {
    match mode {
        Mode::Unreachable => NoAnswer::Unreachable("the fake's network is cut".to_owned()),
        Mode::Panic => panic!("the fake was told to panic"),
        _ => NoAnswer::Unknown("the fake's answer was lost".to_owned()),
    }
}

impl Payments for FakePayments {
    fn init<'a>(
        &'a self,
        call: Call<'a>,
        request: InitTransaction,
    ) -> BoxFuture<'a, Result<Transaction, InitError>> {
        Box::pin(async move {
            if self.state().init == Mode::Hang {
                std::future::pending::<()>().await;
            }
            self.init(call.effect_key, &request)
        })
    }

    fn cancel_by_order<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>> {
        Box::pin(async move {
            if self.state().cancel == Mode::Hang {
                std::future::pending::<()>().await;
            }
            if self.state().level_1 {
                return Err(NoAnswer::Unsupported("the fake keeps no tombstones".into()));
            }
            self.cancel(call.effect_key, order_id, transaction_id)
        })
    }

    fn cancel<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>> {
        Box::pin(async move { self.cancel(call.effect_key, order_id, transaction_id) })
    }

    fn find<'a>(
        &'a self,
        transaction_id: TransactionId,
        _trace: Option<&'a TraceRef>,
    ) -> BoxFuture<'a, Result<Option<Transaction>, NoAnswer>> {
        Box::pin(async move {
            let state = self.state();
            Ok(state
                .transactions
                .values()
                .find(|found| found.transaction_id == transaction_id)
                .cloned())
        })
    }

    fn support(&self) -> BoxFuture<'_, Result<Support, NoAnswer>> {
        let whole = !self.state().level_1;
        Box::pin(std::future::ready(Ok(Support {
            tombstone: whole,
            read: true,
            bulk_read: whole,
            problem_types: whole,
            signed_events: whole,
        })))
    }
}
