//! Counts what is on the heap, so that memory stands beside time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted. One thread allocates, so plain loads and stores are enough and cost least.
pub struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator.
#[allow(unsafe_code, reason = "the only way to count allocations; a benchmark, not the product")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(layout.size(), new_size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

fn count(less: usize, more: usize) {
    let live = LIVE.load(Relaxed).wrapping_sub(less).wrapping_add(more);
    LIVE.store(live, Relaxed);
    if live > PEAK.load(Relaxed) {
        PEAK.store(live, Relaxed);
    }
}

/// What a piece of work left on the heap, and how much more than before it had at most meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub left_bytes: usize,
    pub peak_bytes: usize,
}

/// Runs the work and says what it used.
pub fn used<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let made = work();
    let left_bytes = LIVE.load(Relaxed).saturating_sub(before);
    (made, Used { left_bytes, peak_bytes: PEAK.load(Relaxed).saturating_sub(before) })
}
