//! What happens to past borrowing and to credit at the end of an hour.

use std::collections::BTreeMap;

use super::{Page, SETTLED_EVERY};
use crate::accounts::GpuMillis;
use crate::accounts::credit::{Credit, Exchange};
use crate::accounts::usage::DecayedUsage;
use crate::treaty::Treaty;
use crate::units::{DurationMillis, GpuHours, TimestampMillis};

/// Settles the hour that ends now. Without the clause nothing is remembered.
pub(super) fn settle(treaty: &Treaty, pages: &mut BTreeMap<String, Page>) {
    let surplus = treaty.surplus();
    for page in pages.values_mut() {
        page.counts_gpu_millis = surplus.usage_half_life.map_or(GpuMillis(0), |half_life| {
            after_an_hour(page.counts_gpu_millis, half_life).plus(page.hour_borrowed_gpu_millis)
        });
    }
    match surplus.credit_cap {
        Some(cap) => settle_credit(treaty, pages, cap),
        None => pages.values_mut().for_each(|page| page.credit_gpu_millis = 0),
    }
    for page in pages.values_mut() {
        page.hour_borrowed_gpu_millis = GpuMillis(0);
        page.hour_left_idle_gpu_millis = GpuMillis(0);
    }
}

/// What still counts one hour later.
pub(super) fn after_an_hour(counts: GpuMillis, half_life: DurationMillis) -> GpuMillis {
    let then = DecayedUsage::none(TimestampMillis(0)).plus(counts);
    then.counts(TimestampMillis(SETTLED_EVERY.0), half_life)
}

/// Credit is between members: a reserve is nobody's guarantee, and what is borrowed from it costs nothing. Who has left
/// keeps its balance, so that all together still add up to zero.
fn settle_credit(treaty: &Treaty, pages: &mut BTreeMap<String, Page>, cap: GpuHours) {
    let names: Vec<&str> =
        treaty.members().iter().filter(|m| !m.is_reserve).map(|member| member.name.as_str()).collect();
    let page = |name: &&str| pages.get(*name).copied().unwrap_or_default();
    let exchange = |page: Page| Exchange {
        idle: page.hour_left_idle_gpu_millis,
        borrowed: page.hour_borrowed_gpu_millis,
    };
    let exchanges: Vec<Exchange> = names.iter().map(page).map(exchange).collect();
    let mut credit = Credit::with_balances(names.iter().map(|n| page(n).credit_gpu_millis).collect(), cap);
    credit.settle(&exchanges);
    for (name, balance) in names.into_iter().zip(credit.balances()) {
        if let Some(page) = pages.get_mut(name) {
            page.credit_gpu_millis = *balance;
        }
    }
}
