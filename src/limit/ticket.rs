use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use http::{Extensions, HeaderMap};

use super::{
    bill::{Bill, End, Held},
    counter::{Counter, Spent, Taken},
    scan::Scan,
};
use crate::context::Resource;

/// What was taken for a request, until it is settled: at the end of its answer, or when it is dropped.
pub(super) struct Ticket<C> {
    counter: C,
    /// The counter's own function: what is dropped can't ask for a trait.
    settle: fn(&C, Taken, Spent),
    taken: Option<Taken>,
    bill: Bill,
    /// Reads the answer, from its head on.
    scan: Option<Scan>,
}

impl<C: Counter> Ticket<C> {
    pub(super) fn new(counter: C, taken: Taken, bill: Bill) -> Self {
        Self { counter, settle: C::settle, taken: Some(taken), bill, scan: None }
    }
}

impl<C> Ticket<C> {
    /// The call failed: it has used nothing.
    pub(super) fn failed(&mut self) {
        self.put(Spent::NOTHING);
    }

    /// Nobody waited any longer: the prompt was sent.
    pub(super) fn gave_up(&mut self) {
        self.put(self.bill.unanswered());
    }

    /// The answer's head is there, and its body is going to be read.
    pub(super) fn answered(&mut self, headers: &HeaderMap, facts: &Extensions) {
        self.bill.look(facts);
        let scan = Scan::new(headers);
        if scan.is_encoded() && self.bill.may_use() {
            warn_encoded();
        }
        self.scan = Some(scan);
    }

    pub(super) fn read(&mut self, chunk: &[u8]) {
        if let Some(scan) = &mut self.scan {
            scan.feed(chunk);
        }
    }

    /// There is no more of the answer.
    pub(super) fn end(&mut self, end: End) {
        let amount = |resource| self.taken.as_ref()?.amount(resource);
        let held = Held { tokens: amount(Resource::Tokens), cost: amount(Resource::Cost) };
        let spent = match &self.scan {
            None => self.bill.unanswered(),
            Some(scan) => self.bill.answered(scan, end, held),
        };
        self.put(spent);
    }

    fn put(&mut self, spent: Spent) {
        if let Some(taken) = self.taken.take() {
            (self.settle)(&self.counter, taken, spent);
        }
    }
}

impl<C> Drop for Ticket<C> {
    fn drop(&mut self) {
        if self.taken.is_some() {
            self.end(End::Cut);
        }
    }
}

impl<C> fmt::Debug for Ticket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("taken", &self.taken).field("bill", &self.bill).finish_non_exhaustive()
    }
}

/// Says once that answers come compressed.
fn warn_encoded() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!("a provider's answer is compressed: its usage can't be read, what was taken in advance counts");
    }
}
