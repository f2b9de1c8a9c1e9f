//! Answers of the history, kept for half a minute: samples come once a minute, and readers must not multiply the
//! database's work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::series::History;
use crate::history::{Scope, Window, span::Span};

const LIFETIME: Duration = Duration::from_secs(30);
/// Answers kept. One of a month by 500 members is 31 × 500 lines of 150 bytes, 2 MB; usual ones are 100 KB.
const KEPT_MAX: usize = 64;

type Key = (&'static str, &'static str, i64);

/// The answers.
#[derive(Default)]
pub struct Kept {
    answers: Mutex<HashMap<Key, (Instant, Arc<History>)>>,
}

fn key(window: Window, scope: Scope) -> Key {
    let span: Span = window.span;
    (span.word(), scope.word(), window.from.as_millisecond())
}

impl Kept {
    /// What was answered within the last half minute.
    #[must_use]
    pub fn get(&self, window: Window, scope: Scope) -> Option<Arc<History>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = answers.get(&key(window, scope))?;
        (at.elapsed() < LIFETIME).then(|| answer.clone())
    }

    /// Keeps an answer; the oldest makes room.
    pub fn keep(&self, window: Window, scope: Scope, answer: Arc<History>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (at, _)| at.elapsed() < LIFETIME);
        if answers.len() >= KEPT_MAX
            && let Some(oldest) = answers.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| *key)
        {
            answers.remove(&oldest);
        }
        answers.insert(key(window, scope), (Instant::now(), answer));
    }
}
