use std::future::Ready;

use super::counter::{Counter, Spent, Taken, Verdict, Want};
use crate::{context::Rules, guard::Decision, rejection::Rejection};

/// Counts nothing: who has limits is answered 500, because nobody keeps them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounter;

impl Counter for NoCounter {
    type Future = Ready<Result<Verdict, Rejection>>;

    fn take(&self, _: &Rules, _: &Want) -> Decision<Verdict, Self::Future> {
        Decision::refuse(Rejection::misassembled("a counter of limits"))
    }

    fn peek(&self, rules: &Rules) -> Decision<Verdict, Self::Future> {
        self.take(rules, &Want::ONE)
    }

    fn settle(&self, _: Taken, _: Spent) {}
}
