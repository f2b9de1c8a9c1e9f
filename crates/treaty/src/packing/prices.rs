//! What the free part of a GPU is worth to pods that share GPUs: the prices of the cutting-stock problem.
//!
//! Shares of 0.65 and 0.32 fill a GPU, shares of 0.65 and 0.23 leave a hole that nobody wants. If all shares of a workload were
//! to be put on as few GPUs as possible, each size would have a price such that no combination on one GPU costs more
//! than the GPU, and the best combinations cost just that (Gilmore and Gomory, "A Linear Programming Approach to the
//! Cutting-Stock Problem", Operations Research 9, 1961). The free part of a GPU is worth the dearest combination that fits.
//!
//! Prices are found by multiplicative weights: in each round the dearest combination gets cheaper where it holds more of
//! a size than the workload asks for, and the others get dearer. Integers only. It is an approximation from below: the
//! GPUs that the prices ask for are never more than the workload truly needs.

use std::collections::BTreeMap;

use super::{Class, GPU_MILLI};

/// The worth of a whole GPU; prices and worths are in these units, a millionth of a GPU.
const WHOLE: i64 = 1_000_000;

/// Rounds of the search, 6 ms for the shares of openb. The bound that comes with the prices: 3.60 % of openb unused after 1000
/// rounds, 3.69 after 2000, 3.72 after 4000; an offline packing uses 3.75.
const ROUNDS: i64 = 2_000;

/// The first round changes a price by at most a twentieth per pod too many or too few; later ones by less.
const FIRST_STEP: i64 = WHOLE / 20;

/// After so many rounds the step is half of the first.
const HALVING_ROUNDS: i64 = 200;

/// Below this a price could not rise again.
const LEAST_PRICE: i64 = WHOLE / 10_000;

/// One size of share, in cells.
#[derive(Debug, Clone, Copy)]
struct Size {
    cells: usize,
    pods: i64,
}

/// What each free part of a GPU is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    worth: Vec<i64>,
    gpus_millionths: i64,
}

impl Prices {
    /// Prices of the shares among these classes. Without any share nothing but a whole GPU is worth something.
    #[must_use]
    pub fn new(classes: &[Class]) -> Self {
        let mut counts = BTreeMap::<u32, i64>::new();
        for class in classes.iter().filter(|class| class.shape.is_share()) {
            *counts.entry(class.shape.gpu_milli()).or_default() += i64::from(class.pods);
        }
        if counts.is_empty() {
            let worth = (0..GPU_MILLI).map(|_| 0).chain([WHOLE]).collect();
            return Self { worth, gpus_millionths: 0 };
        }
        // Sizes are multiples of the cell, so that the table is as small as it can be without rounding.
        let cell = counts.keys().fold(GPU_MILLI, |cell, milli| greatest_common_divisor(cell, *milli));
        let sizes: Vec<_> =
            counts.iter().map(|(milli, pods)| Size { cells: (milli / cell) as usize, pods: *pods }).collect();
        let cells = (GPU_MILLI / cell) as usize;
        let (prices, gpus_millionths) = search(&sizes, cells);
        let table = dearest(&sizes, &prices, cells).0;
        let worth_of_part = |milli: u32| table[(milli / cell) as usize];
        let worth = (0..GPU_MILLI).map(worth_of_part).chain([WHOLE]).collect();
        Self { worth, gpus_millionths }
    }

    /// What so many free thousandths of a GPU are worth, in millionths of a GPU; 0 when nothing fits.
    #[must_use]
    pub fn worth(&self, free_milli: u32) -> i64 {
        self.worth.get(free_milli as usize).copied().unwrap_or(WHOLE)
    }

    /// A number of GPUs, in millionths, below which the shares of the workload cannot be packed by anyone.
    #[must_use]
    pub const fn gpus_at_least_millionths(&self) -> i64 {
        self.gpus_millionths
    }
}

const fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The best prices found, one per size, and the GPUs in millionths that all pods cost together.
fn search(sizes: &[Size], cells: usize) -> (Vec<i64>, i64) {
    let total =
        |prices: &[i64]| -> i64 { sizes.iter().zip(prices).map(|(size, price)| size.pods * price).sum() };
    let mut prices: Vec<i64> = sizes.iter().map(|size| size.cells as i64 * WHOLE / cells as i64).collect();
    let mut best = (prices.clone(), total(&prices));
    for round in 0..ROUNDS {
        let (worth, last) = dearest(sizes, &prices, cells);
        // No combination may cost more than a GPU.
        let scale = worth[cells].max(1);
        for price in &mut prices {
            *price = *price * WHOLE / scale;
        }
        let gpus = total(&prices);
        if gpus > best.1 {
            best = (prices.clone(), gpus);
        }
        let held = combination(sizes, &last, cells);
        let step = FIRST_STEP * HALVING_ROUNDS / (HALVING_ROUNDS + round);
        for ((price, size), held) in prices.iter_mut().zip(sizes).zip(held) {
            // Pods of this size per GPU: asked for, and in the dearest combination.
            let asked = size.pods * WHOLE / (best.1 / WHOLE).max(1);
            let change = step * (asked - held * WHOLE) / WHOLE;
            *price = (*price + *price * change / WHOLE).max(LEAST_PRICE);
        }
    }
    best
}

/// For each number of free cells the price of the dearest combination that fits, and its last share: an unbounded knapsack.
fn dearest(sizes: &[Size], prices: &[i64], cells: usize) -> (Vec<i64>, Vec<Option<usize>>) {
    let mut worth = vec![0; cells + 1];
    let mut last = vec![None; cells + 1];
    for free in 1..=cells {
        worth[free] = worth[free - 1];
        for (index, size) in sizes.iter().enumerate().filter(|(_, size)| size.cells <= free) {
            let with = worth[free - size.cells] + prices[index];
            if with > worth[free] {
                (worth[free], last[free]) = (with, Some(index));
            }
        }
    }
    (worth, last)
}

/// Shares of each size in the dearest combination on a whole GPU.
fn combination(sizes: &[Size], last: &[Option<usize>], cells: usize) -> Vec<i64> {
    let mut held = vec![0; sizes.len()];
    let mut free = cells;
    while free > 0 {
        match last[free] {
            Some(index) => {
                held[index] += 1;
                free -= sizes[index].cells;
            }
            None => free -= 1,
        }
    }
    held
}
