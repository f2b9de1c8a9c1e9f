//! The books of a pool: what each party used, borrowed and left to others so far, and what that says of its next
//! borrowing.
//!
//! [`Books::advance`] takes what every party holds and until when; what of it is borrowed, and what is left idle, follows
//! from the [`Terms`]. All sums are exact, so that cutting an interval in two changes nothing. Use is *settled* at the
//! end of every full hour of universal time: past borrowing fades, credit moves, budgets are drawn ([`past`]); budgets
//! moreover at each instant at which they change by themselves. [`Books::standings`] speaks as of the last settling, so
//! that between two settlings a standing is one and the same, whoever asks how often.
//!
//! Nothing here touches a guarantee: a standing orders and limits what is lent, see [`Standing`].

mod clauses;
mod past;
mod standing;

use std::collections::BTreeMap;

use clauses::Clauses;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::GpuMillis;
use crate::accounts::budget::Account;
use crate::snapshot::Standing;
use crate::terms::{Pool, Terms};
use crate::treaty::{Member, Treaty};
use crate::units::{DurationMillis, Gpus, TimestampMillis};

/// Past borrowing and credit are settled once in so long.
pub const SETTLED_EVERY: DurationMillis = DurationMillis(3_600_000);

/// Name of the only pool of a treaty without classes.
const ONLY_POOL: &str = "gpus";

/// Books of all pools under one treaty. Everything goes by name, so that they outlive amendments: who leaves keeps its
/// page, who comes gets a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Books {
    /// Time up to which everything is booked.
    at_millis: TimestampMillis,
    /// When something is settled next.
    settles_at_millis: TimestampMillis,
    /// By class, then by party.
    pools: BTreeMap<String, BTreeMap<String, Page>>,
    /// By member: all classes together.
    budgets: BTreeMap<String, BudgetPage>,
}

/// What one party did in one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Page {
    /// Used ever.
    pub used_gpu_millis: GpuMillis,
    /// Part of it above the guarantee.
    pub borrowed_gpu_millis: GpuMillis,
    /// Guaranteed, lendable, and left idle.
    pub left_idle_gpu_millis: GpuMillis,
    /// What still counts of past borrowing, as of the last full hour.
    pub counts_gpu_millis: GpuMillis,
    /// Above zero it lent more than it borrowed. All balances of a pool add up to zero.
    pub credit_gpu_millis: i64,
    /// Since the last full hour.
    hour_borrowed_gpu_millis: GpuMillis,
    /// Since the last full hour.
    hour_left_idle_gpu_millis: GpuMillis,
}

/// A member's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetPage {
    /// As of the last settling.
    pub account: Account,
    /// Used since.
    #[serde(default)]
    unsettled_gpu_millis: GpuMillis,
}

impl Books {
    /// Empty books: nobody has used anything, and budgets have the whole hours of the present period.
    #[must_use]
    pub fn open(terms: &Terms, at: TimestampMillis) -> Self {
        let mut books =
            Self { at_millis: at, settles_at_millis: at, pools: BTreeMap::new(), budgets: BTreeMap::new() };
        books.amended(terms);
        books
    }

    /// Whether a treaty has a clause for which the past counts.
    #[must_use]
    pub fn matter_under(treaty: &Treaty) -> bool {
        let surplus = treaty.surplus();
        surplus.usage_half_life.is_some() || surplus.credit_cap.is_some() || treaty.budget().is_some()
    }

    /// Time up to which everything is booked.
    #[must_use]
    pub const fn at(&self) -> TimestampMillis {
        self.at_millis
    }

    /// When standings change next, at the earliest.
    #[must_use]
    pub const fn settles_at(&self) -> TimestampMillis {
        self.settles_at_millis
    }

    /// The page of a party in a class (`None`: of a treaty without classes).
    #[must_use]
    pub fn page(&self, class: Option<&str>, party: &str) -> Option<&Page> {
        self.pools.get(class.unwrap_or(ONLY_POOL))?.get(party)
    }

    /// The budget of a member, as of the last settling.
    #[must_use]
    pub fn budget(&self, member: &str) -> Option<&BudgetPage> {
        self.budgets.get(member)
    }

    /// The treaty says something else from now on: new parties get pages, hours of budgets hold from the next period on, a
    /// budget that is not stated any more is closed. What happened until now must be booked before.
    pub fn amended(&mut self, terms: &Terms) {
        for pool in &terms.pools {
            let pages = self.pools.entry(name_of(pool)).or_default();
            for party in pool.treaty.members() {
                pages.entry(party.name.clone()).or_default();
            }
        }
        let clauses = Clauses::of(terms);
        let mut before = std::mem::take(&mut self.budgets);
        for (name, hours, budget) in clauses.budgets() {
            let page = match before.remove(name) {
                None => BudgetPage::of(Account::open(budget, hours, self.at_millis)),
                Some(page) => BudgetPage { account: page.account.with_hours(hours), ..page },
            };
            self.budgets.insert(name.to_owned(), page);
        }
        self.settles_at_millis = clauses.next_settling(self.at_millis);
    }

    /// Books that until then every party held what `used` says: by pool in the order of [`Terms::pools`], then by
    /// party. A time that is past books nothing.
    pub fn advance(&mut self, terms: &Terms, used: &[Vec<Gpus>], until: TimestampMillis) {
        while self.at_millis < until {
            let end = self.settles_at_millis.min(until).max(self.at_millis);
            self.book(terms, used, end.since(self.at_millis));
            self.at_millis = end;
            if end == self.settles_at_millis {
                self.settle(terms);
            }
        }
    }

    /// What the past says of each party's borrowing, as of the last settling: in the order of the parties, pool after
    /// pool in the order of [`Terms::pools`].
    #[must_use]
    pub fn standings(&self, terms: &Terms) -> Vec<Standing> {
        let clauses = Clauses::of(terms);
        let of_pool = |pool: &Pool| -> Vec<Standing> {
            let pages = self.pools.get(&name_of(pool));
            let page = |party: &Member| pages.and_then(|p| p.get(&party.name)).copied().unwrap_or_default();
            let of_party = |party: &Member| {
                let budget = self.budgets.get(&party.name).filter(|_| !party.is_reserve);
                standing::standing(&clauses, &page(party), budget.map(|b| &b.account))
            };
            pool.treaty.members().iter().map(of_party).collect()
        };
        terms.pools.iter().flat_map(of_pool).collect()
    }

    fn book(&mut self, terms: &Terms, used: &[Vec<Gpus>], duration: DurationMillis) {
        for (index, pool) in terms.pools.iter().enumerate() {
            let pages = self.pools.entry(name_of(pool)).or_default();
            for (position, party) in pool.treaty.members().iter().enumerate() {
                let used = used.get(index).and_then(|by_party| by_party.get(position)).copied().unwrap_or(0);
                if !pages.contains_key(&party.name) {
                    pages.insert(party.name.clone(), Page::default());
                }
                if let Some(page) = pages.get_mut(&party.name) {
                    page.book(party, used, duration);
                }
                if let Some(budget) = self.budgets.get_mut(&party.name).filter(|_| !party.is_reserve) {
                    let used = GpuMillis::of(used, duration);
                    budget.unsettled_gpu_millis = budget.unsettled_gpu_millis.plus(used);
                }
            }
        }
    }

    fn settle(&mut self, terms: &Terms) {
        let clauses = Clauses::of(terms);
        if let Some(budget) = clauses.budget() {
            for page in self.budgets.values_mut() {
                page.account.book(std::mem::take(&mut page.unsettled_gpu_millis));
                page.account.advance(budget, self.at_millis);
            }
        }
        if self.at_millis.0.rem_euclid(SETTLED_EVERY.0) == 0 {
            for pool in &terms.pools {
                if let Some(pages) = self.pools.get_mut(&name_of(pool)) {
                    past::settle(&pool.treaty, pages);
                }
            }
        }
        self.settles_at_millis = clauses.next_settling(self.at_millis);
    }
}

impl BudgetPage {
    const fn of(account: Account) -> Self {
        Self { account, unsettled_gpu_millis: GpuMillis(0) }
    }
}

impl Page {
    fn book(&mut self, party: &Member, used: Gpus, duration: DurationMillis) {
        let of = |gpus| GpuMillis::of(gpus, duration);
        let idle = party.guarantee.saturating_sub(used);
        let (borrowed, left_idle) =
            (of(used.saturating_sub(party.guarantee)), of(idle.saturating_sub(party.keep)));
        self.used_gpu_millis = self.used_gpu_millis.plus(of(used));
        self.borrowed_gpu_millis = self.borrowed_gpu_millis.plus(borrowed);
        self.left_idle_gpu_millis = self.left_idle_gpu_millis.plus(left_idle);
        self.hour_borrowed_gpu_millis = self.hour_borrowed_gpu_millis.plus(borrowed);
        self.hour_left_idle_gpu_millis = self.hour_left_idle_gpu_millis.plus(left_idle);
    }
}

fn name_of(pool: &Pool) -> String {
    pool.treaty.class_name(pool.class).unwrap_or(ONLY_POOL).to_owned()
}
