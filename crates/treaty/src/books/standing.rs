//! From a page of the books to what the engine knows of a party's past.

use super::clauses::Clauses;
use super::past::after_an_hour;
use super::{Page, SETTLED_EVERY};
use crate::accounts::budget::Account;
use crate::accounts::budget::standing::steps_reached;
use crate::clauses::OveruseEffect;
use crate::snapshot::Standing;

/// Thousandths of a GPU-hour, 3,600 GPU-seconds, in GPU-milliseconds.
const THOUSANDTH_OF_GPU_HOUR: i64 = SETTLED_EVERY.0 / 1000;

/// Past borrowing counts like the GPUs that the party borrowed on average, each hour half as much as the hour one
/// half-life later; a GPU-hour of credit counts like one GPU less. Ladder: every step that is reached holds, the lowest
/// limit counts.
pub(super) fn standing(clauses: &Clauses<'_>, page: &Page, account: Option<&Account>) -> Standing {
    let past = average_borrowed_thousandths(clauses, page);
    let credit = page.credit_gpu_millis / THOUSANDTH_OF_GPU_HOUR;
    let mut standing = Standing { handicap_thousandths: past.saturating_sub(credit), ..Standing::default() };
    let Some((budget, account)) = clauses.budget().zip(account) else { return standing };
    for step in steps_reached(budget, account) {
        standing.until = Some(account.balance().period.end);
        let most = match step.effect {
            OveruseEffect::LowPriority => {
                standing.last = true;
                continue;
            }
            OveruseEffect::MostBorrowed(gpus) => gpus,
            OveruseEffect::NoBorrowing => 0,
        };
        standing.most_borrowed = Some(standing.most_borrowed.map_or(most, |before| before.min(most)));
    }
    standing
}

/// What fades of the past in one hour is the average: with `r` of an hour's use left after an hour, `g` GPUs borrowed
/// for ever count `g / (1 - r)` GPU-hours, of which `1 - r` fades.
fn average_borrowed_thousandths(clauses: &Clauses<'_>, page: &Page) -> i64 {
    let Some(half_life) = clauses.surplus().usage_half_life else { return 0 };
    let fades = page.counts_gpu_millis.minus(after_an_hour(page.counts_gpu_millis, half_life));
    i64::try_from(fades.0).unwrap_or(i64::MAX) / THOUSANDTH_OF_GPU_HOUR
}
