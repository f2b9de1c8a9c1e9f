//! The bar chart of the front page: geometry only, drawn by the page's template as SVG. Pure.
//!
//! Guaranteed use is solid, borrowed use hatched, a guarantee is an outline and a ceiling a mark: no fact is told by
//! colour alone, and the table below the chart says the same in numbers.

use crate::pool_use::{MemberUse, PoolUse};

/// Width of the part in which bars are drawn, in SVG units.
const BARS_WIDTH: i64 = 560;
/// Where bars begin; names stand left of it.
const BARS_X: i64 = 180;
/// Height of one member's row.
const ROW_HEIGHT: i64 = 30;

/// The whole chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Width of the drawing.
    pub width: i64,
    /// Height of the drawing.
    pub height: i64,
    /// GPUs at the right end of the scale.
    pub scale_gpus: i64,
    /// One row per member.
    pub bars: Vec<Bar>,
}

/// One member's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Member, cut to what fits.
    pub label: String,
    /// Top of the row's bar.
    pub y: i64,
    /// Left end of all bars.
    pub x: i64,
    /// Length of guaranteed use.
    pub guaranteed_width: i64,
    /// Left end of borrowed use.
    pub borrowed_x: i64,
    /// Length of borrowed use.
    pub borrowed_width: i64,
    /// Length of the guarantee's outline.
    pub guarantee_width: i64,
    /// Position of the ceiling's mark.
    pub ceiling_x: Option<i64>,
}

impl Chart {
    /// Lays the chart out.
    #[must_use]
    pub fn of(pool: &PoolUse) -> Self {
        let longest = |m: &MemberUse| {
            let rights = m.guarantee_gpus.max(m.ceiling_gpus).unwrap_or(0);
            m.used.used_gpus().max(rights)
        };
        let scale_gpus = pool.members.iter().map(longest).max().unwrap_or(0).max(1);
        let bars = (0..)
            .zip(&pool.members)
            .map(|(row, member)| Bar::of(row, member, scale_gpus))
            .collect::<Vec<_>>();
        let rows = i64::try_from(bars.len()).unwrap_or(i64::MAX);
        Self {
            width: BARS_X + BARS_WIDTH + 10,
            height: rows.saturating_mul(ROW_HEIGHT).saturating_add(30),
            scale_gpus,
            bars,
        }
    }
}

impl Bar {
    fn of(row: i64, member: &MemberUse, scale_gpus: i64) -> Self {
        // What exists is never drawn as nothing: at least one unit.
        let width = |gpus: i64| {
            if gpus > 0 { (gpus.saturating_mul(BARS_WIDTH) / scale_gpus).clamp(1, BARS_WIDTH) } else { 0 }
        };
        let guaranteed_width = width(member.used.guaranteed_gpus);
        let end = width(member.used.used_gpus());
        Self {
            label: short(&member.name),
            y: row * ROW_HEIGHT + 6,
            x: BARS_X,
            guaranteed_width,
            borrowed_x: BARS_X + guaranteed_width,
            borrowed_width: if member.used.borrowed_gpus > 0 { (end - guaranteed_width).max(1) } else { 0 },
            guarantee_width: width(member.guarantee_gpus.unwrap_or(0)),
            ceiling_x: member.ceiling_gpus.map(|c| BARS_X + width(c)),
        }
    }
}

fn short(name: &str) -> String {
    const MAX: usize = 22;
    if name.chars().count() <= MAX {
        name.to_owned()
    } else {
        name.chars().take(MAX - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool_use::Use;

    fn member(
        guaranteed_gpus: i64,
        borrowed_gpus: i64,
        guarantee_gpus: i64,
        ceiling_gpus: Option<i64>,
    ) -> MemberUse {
        let used = Use { guaranteed_gpus, borrowed_gpus, ..Use::default() };
        let guarantee_gpus = Some(guarantee_gpus);
        MemberUse { name: "m".to_owned(), in_treaty: true, guarantee_gpus, ceiling_gpus, used }
    }

    #[test]
    fn bars_share_one_scale_and_stay_inside() {
        let bar = Bar::of(0, &member(4, 4, 4, Some(16)), 16);
        assert_eq!((bar.guaranteed_width, bar.borrowed_width, bar.guarantee_width), (140, 140, 140));
        assert_eq!(bar.ceiling_x, Some(BARS_X + BARS_WIDTH));
    }

    #[test]
    fn one_gpu_in_a_huge_pool_is_still_visible_and_none_is_not() {
        let bar = Bar::of(0, &member(1, 0, 0, None), 1_000_000);
        assert_eq!((bar.guaranteed_width, bar.borrowed_width, bar.ceiling_x), (1, 0, None));
    }
}
