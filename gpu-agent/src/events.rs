//! The thread that waits for NVML's events, one for each session: XIDs, and what the driver says of a GPU as a whole.
//!
//! Only events after the registration are heard. Waiting may hang as any call, which then blocks this thread alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::nvml::raw::{Event, Events, handle};
use crate::state::error_label;

/// `nvmlEventTypeXidCriticalError`.
const XID: u64 = 0x8;
/// `nvmlEventMigConfigChange`, `…GpuUnavailableError`, `…GpuRecoveryAction`: they ask for a fresh look.
const OTHERS: u64 = 0x100 | 0x4000 | 0x8000;
const WAIT_MILLISECONDS: u32 = 1_000;
/// A burst of XIDs; more are dropped and counted as such.
const HEARD_MAX: usize = 1_024;
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// An XID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xid {
    /// UUID of the GPU.
    pub uuid: String,
    /// Its number.
    pub xid: u64,
    /// GPU instance and compute instance, when it is of one.
    pub instance: Option<(u32, u32)>,
}

/// What the thread says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It listens to so many GPUs.
    Listening(usize),
    /// An XID.
    Xid(Xid),
    /// Something else happened to a GPU.
    Change,
    /// Waiting failed, by kind.
    Failed(&'static str),
}

/// A running thread.
pub struct Listener {
    stop: Arc<AtomicBool>,
    heard: Receiver<Heard>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(nvml: Arc<Nvml>) -> std::io::Result<Self> {
        let (sender, heard) = sync_channel(HEARD_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("nvml-events".to_owned())
            .spawn(move || listen(&nvml, &told, &sender))?;
        Ok(Self { stop, heard, thread: Some(thread) })
    }

    /// The next thing it said.
    pub fn next(&self) -> Option<Heard> {
        self.heard.try_recv().ok()
    }

    /// Stops it, and waits for the end at most twice as long as it waits for an event. False when it hangs: it then keeps
    /// NVML open.
    pub fn stop(mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return true };
        for _ in 0..40 {
            if thread.is_finished() {
                return thread.join().is_ok();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn listen(nvml: &Nvml, stop: &AtomicBool, said: &SyncSender<Heard>) {
    let say = |heard| drop(said.try_send(heard));
    let events = match Events::new(nvml) {
        Ok(events) => events,
        Err(error) => return say(Heard::Failed(error_label(&error))),
    };
    let mut uuids = BTreeMap::new();
    for index in 0..nvml.device_count().unwrap_or(0) {
        let Ok(device) = nvml.device_by_index(index) else { continue };
        let registered = events.register(&device, XID | OTHERS);
        // Not supported leaves the set as it was.
        if let (Ok(()), Ok(uuid)) = (registered, device.uuid()) {
            uuids.insert(handle(&device), uuid);
        }
    }
    say(Heard::Listening(uuids.len()));
    if uuids.is_empty() {
        return;
    }
    let mut pause = Duration::from_millis(500);
    while !stop.load(Ordering::Relaxed) {
        match events.wait(WAIT_MILLISECONDS) {
            Ok(Some(event)) => said_of(&event, &uuids).into_iter().for_each(say),
            Ok(None) => pause = Duration::from_millis(500),
            Err(NvmlError::Uninitialized) => return,
            Err(error) => {
                say(Heard::Failed(error_label(&error)));
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

fn said_of(event: &Event, uuids: &BTreeMap<usize, String>) -> Option<Heard> {
    if event.kind & XID == 0 {
        return Some(Heard::Change);
    }
    let uuid = uuids.get(&event.device)?.clone();
    Some(Heard::Xid(Xid { uuid, xid: event.value, instance: event.instance }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_an_xid_of_a_known_gpu_or_a_change() {
        let uuids = [(5_usize, "GPU-a".to_owned())].into();
        let event = Event { device: 5, kind: XID, value: 79, instance: Some((9, 0)) };
        let xid = Xid { uuid: "GPU-a".to_owned(), xid: 79, instance: Some((9, 0)) };
        assert_eq!(said_of(&event, &uuids), Some(Heard::Xid(xid)));
        assert_eq!(said_of(&Event { device: 6, ..event }, &uuids), None);
        assert_eq!(said_of(&Event { kind: 0x100, ..event }, &uuids), Some(Heard::Change));
    }
}
