//! The books of a replay: they go along with the clock, and what they say is told to the engines.

use super::Replay;
use crate::books::Books;
use crate::snapshot::Standing;
use crate::terms::Terms;
use crate::units::{DurationMillis, Gpus, TimestampMillis};

#[derive(Debug)]
pub(super) struct Past {
    terms: Terms,
    books: Books,
    /// When second 0 of the trace happens.
    begin: DurationMillis,
}

impl Past {
    /// `None` where the treaty lets nothing of the past count.
    pub(super) fn under(terms: Terms, begin: TimestampMillis) -> Option<Self> {
        let matters = terms.pools.iter().any(|pool| Books::matter_under(&pool.treaty));
        let books = Books::open(&terms, begin);
        matters.then_some(Self { terms, books, begin: DurationMillis(begin.0) })
    }

    /// The treaty says something else from now on; what happened until now is booked already.
    pub(super) fn amend(&mut self, terms: &Terms) -> Vec<Standing> {
        self.terms = terms.clone();
        self.books.amended(&self.terms);
        self.books.standings(&self.terms)
    }

    /// New standings, if something was settled on the way.
    fn advance(&mut self, held: &[Vec<Gpus>], now: TimestampMillis) -> Option<Vec<Standing>> {
        let settles_at = self.books.settles_at();
        self.books.advance(&self.terms, held, now.after(self.begin));
        (self.books.settles_at() != settles_at).then(|| self.books.standings(&self.terms))
    }
}

impl Replay<'_> {
    /// The books, if the treaty lets the past count.
    #[must_use]
    pub fn books(&self) -> Option<&Books> {
        self.past.as_ref().map(|past| &past.books)
    }

    /// When new standings alone could let somebody start: only while over-use keeps a waiting job from borrowing. At all
    /// other times it is enough to ask the books at the next event.
    pub(super) fn next_standings(&self) -> Option<TimestampMillis> {
        let past = self.past.as_ref()?;
        let limited = self.pools.iter().any(|pool| pool.engine.is_limited());
        limited.then(|| TimestampMillis(past.books.settles_at().0.saturating_sub(past.begin.0)))
    }

    /// Books what was held until now.
    pub(super) fn keep_books(&mut self) {
        let Some(past) = &mut self.past else { return };
        let held: Vec<Vec<Gpus>> = self.pools.iter().map(|pool| pool.held.clone()).collect();
        let Some(standings) = past.advance(&held, self.now) else { return };
        let mut rest = standings.as_slice();
        for pool in &mut self.pools {
            let (own, others) = rest.split_at(pool.held.len().min(rest.len()));
            pool.engine.set_standings(own);
            rest = others;
        }
    }
}
