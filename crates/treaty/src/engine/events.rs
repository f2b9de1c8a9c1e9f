//! What happens to the pool from outside. An event only changes state; [`Engine::settle`] decides.

use super::job::{JobSpec, JobState, Record};
use super::outcome::goes_to_front;
use super::queue::{Job, NameOrder};
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::units::{ClaimId, TimestampMillis};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A claim was submitted; it gets the next index.
    Submitted(JobSpec),
    /// A claim ended: well, with an error or by its owner's hand.
    Finished {
        /// Claim.
        job: u32,
        /// When.
        at: TimestampMillis,
    },
    /// The GPUs of a stopped claim are free; it waits again.
    Released {
        /// Claim.
        job: u32,
    },
    /// A running claim has saved its work.
    Saved {
        /// Claim.
        job: u32,
        /// When.
        at: TimestampMillis,
    },
    /// A node takes no new work; what runs on it goes on.
    Closed {
        /// Node.
        node: u32,
    },
    /// A node is gone with everything on it.
    Lost {
        /// Node.
        node: u32,
    },
}

impl Engine {
    /// Takes note of one event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Submitted(spec) => {
                self.submit(spec);
            }
            Event::Finished { job, at } => self.finish(job, at),
            Event::Released { job } => self.released(job),
            Event::Saved { job, at } => {
                self.jobs[job as usize].saved_at = at.0;
                self.note_leavers(job);
            }
            Event::Closed { node } => self.space.close(node),
            Event::Lost { node } => self.lose(node),
        }
    }

    /// Takes note of a new claim and returns its index: 0, 1, 2, … by call.
    pub fn submit(&mut self, spec: JobSpec) -> u32 {
        let name_rank = self.name_rank(&spec.id);
        let path = spec.path.clone();
        let mut record = Record::later(spec, name_rank, &mut self.space);
        let job = Job::try_from(self.jobs.len()).unwrap_or(Job::MAX);
        let guarantee = self.rules.members[record.spec.member.index()].guarantee;
        let member = &mut self.members[record.spec.member.index()];
        record.element = member.introduce(job, &path);
        let lines_up = record.shape.is_some();
        if let Some(shape) = record.shape {
            let (name, submitted_at) = (record.name(), record.spec.submitted_at.0);
            member.enqueue(record.element, shape, record.key(self.rules.shortest_first), job);
            if member.alone.could_run(shape, guarantee) && member.alone.could_run_inside(job, shape) {
                member.alone.submit(shape, submitted_at, name, job);
            }
            member.touched = true;
        }
        self.jobs.push(record);
        if lines_up {
            self.begins_to_age(job);
        }
        job
    }

    fn name_rank(&self, name: &ClaimId) -> u32 {
        let before = self.restored.partition_point(|claim| claim.id < *name);
        NameOrder::rank_after(u32::try_from(before).unwrap_or(u32::MAX))
    }

    /// Takes note that a claim has ended.
    pub fn finish(&mut self, job: u32, at: TimestampMillis) {
        let ran = match *self.state(job) {
            JobState::Running { since, .. } | JobState::Noticed { since, .. } => {
                Some(at.0.saturating_sub(since).max(0))
            }
            JobState::Finished { .. } => return,
            JobState::Waiting | JobState::Reserved { .. } | JobState::Stopping { .. } => None,
        };
        self.leave_pool(job);
        self.jobs[job as usize].state = JobState::Finished { runtime: ran.unwrap_or(0) };
        let record = &self.jobs[job as usize];
        let (Some(shape), due_since) = (record.shape, record.due_since) else { return };
        let member = &mut self.members[record.spec.member.index()];
        match (ran, due_since) {
            (Some(runtime), Some(since)) => member.alone.will_end(job, since.saturating_add(runtime)),
            (Some(_), None) => {}
            (None, _) => member.alone.take_back(shape, record.spec.submitted_at.0, record.name(), job),
        }
        member.touched = true;
    }

    /// Takes note that the GPUs of a stopped claim are free.
    pub fn released(&mut self, job: u32) {
        let JobState::Stopping { ref reason, .. } = *self.state(job) else { return };
        let to_front = goes_to_front(reason, self.record(job).spec.member);
        self.leave_pool(job);
        let record = &mut self.jobs[job as usize];
        record.state = JobState::Waiting;
        record.put_back = to_front;
        self.line_up(job);
    }

    /// Puts a waiting claim in line; a due one also among those that the pool owes a start.
    pub(super) fn line_up(&mut self, job: Job) {
        let record = &self.jobs[job as usize];
        let Some(shape) = record.shape else { return };
        let (key, submitted_at) = (record.key(self.rules.shortest_first), record.spec.submitted_at.0);
        let (due, element) = (record.due_since.is_some(), record.element);
        let member = self.member_of(job);
        member.enqueue(element, shape, key, job);
        if due {
            member.owed.insert((submitted_at, job));
        }
        member.touched = true;
        self.begins_to_age(job);
    }

    /// Takes a claim out of its line and gives back everything that it holds or that is kept for it.
    fn leave_pool(&mut self, job: Job) {
        match self.jobs[job as usize].state.clone() {
            JobState::Waiting => self.leave_line(job),
            JobState::Reserved { .. } => {
                self.cancel_reservation(job);
                self.leave_line(job);
            }
            JobState::Running { basis, .. } => {
                self.forget_running(job, basis);
                self.give_back(job);
            }
            JobState::Noticed { deadline, .. } => {
                self.deadlines.remove(&(deadline, job));
                self.give_back(job);
            }
            JobState::Stopping { .. } => {
                self.stopping.remove(&job);
                self.give_back(job);
            }
            JobState::Finished { .. } => {}
        }
    }

    pub(super) fn leave_line(&mut self, job: Job) {
        let record = &self.jobs[job as usize];
        let Some(shape) = record.shape else { return };
        let (key, submitted_at) = (record.key(self.rules.shortest_first), record.spec.submitted_at.0);
        let element = record.element;
        let member = self.member_of(job);
        member.dequeue(element, shape, key, job);
        member.owed.remove(&(submitted_at, job));
        member.touched = true;
        self.ends_to_age(job);
    }

    fn give_back(&mut self, job: Job) {
        self.unbook(job);
        for &(node, _) in &std::mem::take(&mut self.jobs[job as usize].places) {
            self.nodes[node as usize].holders.retain(|&holder| holder != job);
            self.hand_out(node);
        }
    }

    fn lose(&mut self, node: u32) {
        self.space.close(node);
        for job in self.nodes[node as usize].holders.clone() {
            self.stop(job, ReclaimReason::NodeLost);
        }
        let waiting: Vec<Job> = self.nodes[node as usize].kept.iter().map(|kept| kept.job).collect();
        for job in waiting {
            self.abandon_reservation(job);
        }
    }

    /// Stops a claim now.
    pub(super) fn stop(&mut self, job: Job, reason: ReclaimReason) {
        let (basis, promised_to) = match *self.state(job) {
            JobState::Running { basis, .. } => {
                self.forget_running(job, basis);
                (basis, None)
            }
            JobState::Noticed { basis, deadline, promised_to, .. } => {
                self.deadlines.remove(&(deadline, job));
                (basis, promised_to)
            }
            _ => return,
        };
        self.stopping.insert(job);
        self.jobs[job as usize].state =
            JobState::Stopping { basis, reason: Box::new(reason.clone()), promised_to };
        self.actions.push(Action::Stop { job, reason });
    }
}
