//! What a Job and its claim tell each other by annotations: the Job's author when work was saved, the operator by when
//! the work must be gone. Pure.

use std::collections::BTreeMap;

use concord_api::names::{
    ANNOTATION_CHECKPOINT_SECONDS, ANNOTATION_RECLAIM_DEADLINE, ANNOTATION_RECLAIM_REASON,
    ANNOTATION_SAVED_AT,
};
use concord_api::{ClaimBasis, ClaimPhase, GpuClaimStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Longest interval between saves that is believed, some four months; the admission policy warns beyond it.
const CHECKPOINT_SECONDS_MAX: i64 = 9_999_999;
/// A Job's clock may be ahead by so much; what it saved "in the future" was saved when it was heard of.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// A told save is taken over when it is so much later than the one that is known: one write a minute for each claim.
const SAVES_APART: SignedDuration = SignedDuration::from_secs(60);

/// The annotations of a Job that concern its claim. What cannot be read says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// It saves its work every so many seconds.
    pub checkpoint_seconds: Option<i64>,
    /// When it last saved its work, by its own clock.
    pub saved_at: Option<Timestamp>,
    /// The deadline of which its pods were told.
    pub told_deadline: Option<String>,
}

/// What the pods are told: until when they may stay, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeWords {
    /// Deadline in RFC 3339, whole seconds, never later than the true one.
    pub deadline: String,
    /// A sentence.
    pub reason: String,
}

impl Words {
    /// Those of these annotations.
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| annotations.get(name).map(String::as_str);
        let seconds = text(ANNOTATION_CHECKPOINT_SECONDS).and_then(|t| t.parse().ok());
        Self {
            checkpoint_seconds: seconds.filter(|s| (1..=CHECKPOINT_SECONDS_MAX).contains(s)),
            saved_at: text(ANNOTATION_SAVED_AT).and_then(|t| t.parse().ok()),
            told_deadline: text(ANNOTATION_RECLAIM_DEADLINE).map(str::to_owned),
        }
    }

    /// The save that it tells of, if it lies in the run of that status.
    pub fn save_in(&self, status: &GpuClaimStatus, now: Timestamp) -> Option<Timestamp> {
        let since = status.admitted_at.as_ref()?.0;
        self.saved_at.filter(|at| *at <= now + SKEW).map(|at| at.min(now)).filter(|at| since <= *at)
    }

    /// A running claim's status with what its Job says of its saves, if that is news. Only on borrowed GPUs do saves decide
    /// anything; what is lost by other stops is reckoned from the Job itself.
    pub fn news(&self, status: &GpuClaimStatus, now: Timestamp) -> Option<GpuClaimStatus> {
        if status.basis != Some(ClaimBasis::Borrowed) {
            return None;
        }
        let known = status.saved_at.as_ref().map(|at| at.0);
        let later = |at: &Timestamp| known.is_none_or(|known| *at >= known + SAVES_APART);
        let saved_at = self.save_in(status, now).filter(later);
        if saved_at.is_none() && self.checkpoint_seconds == status.checkpoint_seconds {
            return None;
        }
        Some(GpuClaimStatus {
            checkpoint_seconds: self.checkpoint_seconds,
            saved_at: saved_at.or(known).map(MicroTime),
            ..status.clone()
        })
    }
}

impl NoticeWords {
    /// What the pods of a claim should be told; `None`: nothing.
    pub fn of(status: &GpuClaimStatus) -> Option<Self> {
        let deadline = status.notice_deadline.as_ref().filter(|_| status.state == ClaimPhase::Reclaiming)?;
        let whole = Timestamp::from_second(deadline.0.as_second()).ok()?;
        Some(Self { deadline: whole.to_string(), reason: status.message.clone().unwrap_or_default() })
    }
}

/// Annotations that say this, or nothing any more.
pub fn annotations(notice: Option<&NoticeWords>) -> Value {
    json!({
        ANNOTATION_RECLAIM_DEADLINE: notice.map(|n| &n.deadline),
        ANNOTATION_RECLAIM_REASON: notice.map(|n| &n.reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn words(every: &str, saved: &str) -> Words {
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Words::of(&[text(ANNOTATION_CHECKPOINT_SECONDS, every), text(ANNOTATION_SAVED_AT, saved)].into())
    }

    fn running() -> GpuClaimStatus {
        GpuClaimStatus {
            state: ClaimPhase::Admitted,
            basis: Some(ClaimBasis::Borrowed),
            admitted_at: Some(MicroTime(at(1_000))),
            ..GpuClaimStatus::default()
        }
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        for every in ["", "ten", "0", "-600", "1.5", "999999999999"] {
            assert_eq!(words(every, "").checkpoint_seconds, None, "{every}");
        }
        assert_eq!(words("600", "yesterday").saved_at, None);
        assert_eq!(words("600", "").checkpoint_seconds, Some(600));
    }

    #[test]
    fn a_save_is_taken_over_once_a_minute_and_only_inside_the_run() {
        let saved = |second| words("", &at(second).to_string());
        let mut status = running();
        assert_eq!(saved(999).news(&status, at(2_000)), None, "before the admission");
        assert_eq!(saved(2_061).news(&status, at(2_000)), None, "in the future");
        let ahead = saved(2_001).news(&status, at(2_000)).unwrap();
        assert_eq!(ahead.saved_at, Some(MicroTime(at(2_000))), "a clock that is a second ahead");
        status = saved(1_500).news(&status, at(2_000)).unwrap();
        assert_eq!(status.saved_at, Some(MicroTime(at(1_500))));
        assert_eq!(saved(1_559).news(&status, at(2_000)), None, "too soon to be worth a write");
        assert_eq!(saved(1_400).news(&status, at(2_000)), None, "a save is not undone");
        assert!(saved(1_560).news(&status, at(2_000)).is_some());
    }

    #[test]
    fn the_interval_is_taken_over_when_it_changes_and_on_borrowed_gpus_only() {
        let mut status = running();
        let told = words("600", "").news(&status, at(2_000)).unwrap();
        assert_eq!((told.checkpoint_seconds, &told.saved_at), (Some(600), &None));
        assert_eq!(words("600", "").news(&told, at(2_000)), None);
        assert_eq!(words("", "").news(&told, at(2_000)).unwrap().checkpoint_seconds, None);
        status.basis = Some(ClaimBasis::Guaranteed);
        assert_eq!(words("600", "").news(&status, at(2_000)), None);
    }

    #[test]
    fn pods_are_told_whole_seconds_that_are_never_too_late() {
        let deadline = Timestamp::from_millisecond(5_900).unwrap();
        let mut status = running();
        status.notice_deadline = Some(MicroTime(deadline));
        assert_eq!(NoticeWords::of(&status), None, "no notice in that state");
        status.state = ClaimPhase::Reclaiming;
        assert_eq!(NoticeWords::of(&status).unwrap().deadline, "1970-01-01T00:00:05Z");
    }
}
