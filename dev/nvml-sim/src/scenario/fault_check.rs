//! Faults: windows, GPUs and symbols that exist.

use super::check::{Problem, between, check_version, problem, window};
use super::raw::{RawCalls, RawDelay, RawEcc, RawError, RawFaults, RawHang, RawReload, RawRemap, RawXid};
use super::{
    Call, CallRange, EccErrors, ErrorRule, Faults, Gpu, RecoveryAction, Reload, RemappedRows, Throttle,
    Window, Xid,
};
use crate::symbols::SYMBOLS;

pub(super) fn faults(raw: RawFaults, gpus: &[Gpu], driver_version: &str) -> Result<Faults, Problem> {
    let mut faults = Faults::default();
    let check = Check { gpus: gpus.len() };
    check.calls(raw.errors, raw.delays, raw.hangs, &mut faults)?;
    for (i, lost) in raw.lost.into_iter().enumerate() {
        let at = check.gpu("lost", i, lost.gpu)?;
        faults.lost.push((lost.gpu, window(&at, lost.from_seconds, lost.to_seconds)?));
    }
    for (i, reset) in raw.resets.into_iter().enumerate() {
        let at = check.gpu("resets", i, reset.gpu)?;
        faults.resets.push((reset.gpu, outage(&at, reset.at_seconds, reset.lasts_seconds)?));
    }
    faults.driver_reloads = reloads(raw.driver_reloads, driver_version)?;
    check.errors_of_memory(raw.ecc, raw.remapped_rows, &mut faults)?;
    for (i, RawXid { gpu, at_seconds, code, gpu_instance, compute_instance }) in
        raw.xids.into_iter().enumerate()
    {
        check.moment("xids", i, gpu, at_seconds)?;
        faults.xids.push(Xid { gpu, at_seconds, code, gpu_instance, compute_instance });
    }
    faults.xids.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
    for (i, throttle) in raw.throttles.into_iter().enumerate() {
        let at = check.gpu("throttles", i, throttle.gpu)?;
        let window = window(&at, throttle.from_seconds, throttle.to_seconds)?;
        faults.throttles.push(Throttle { gpu: throttle.gpu, window, reasons: throttle.reasons });
    }
    for (i, recovery) in raw.recovery_actions.into_iter().enumerate() {
        let at = check.gpu("recovery_actions", i, recovery.gpu)?;
        between(&format!("{at}.action"), f64::from(recovery.action), 0.0, 5.0)?;
        let window = window(&at, recovery.from_seconds, recovery.to_seconds)?;
        faults.recovery_actions.push(RecoveryAction { gpu: recovery.gpu, window, action: recovery.action });
    }
    Ok(faults)
}

struct Check {
    gpus: usize,
}

impl Check {
    fn has(&self, at: &str, gpu: usize) -> Result<(), Problem> {
        if gpu < self.gpus {
            return Ok(());
        }
        Err(problem(format!("{at}.gpu"), format!("there are {} GPUs, counted from 0", self.gpus)))
    }

    /// Path of a fault whose GPU exists.
    fn gpu(&self, list: &str, position: usize, gpu: usize) -> Result<String, Problem> {
        let at = format!("faults.{list}[{position}]");
        self.has(&at, gpu).map(|()| at)
    }

    /// A fault at one time on a GPU that exists.
    fn moment(&self, list: &str, position: usize, gpu: usize, at_seconds: f64) -> Result<(), Problem> {
        let at = self.gpu(list, position, gpu)?;
        between(&format!("{at}.at_seconds"), at_seconds, 0.0, 1e12)
    }

    fn calls(
        &self,
        errors: Vec<RawError>,
        delays: Vec<RawDelay>,
        hangs: Vec<RawHang>,
        faults: &mut Faults,
    ) -> Result<(), Problem> {
        let call = |at: &str, symbols: Option<Vec<String>>, gpu: Option<usize>, from, to| {
            gpu.map_or(Ok(()), |gpu| self.has(at, gpu))?;
            for (position, symbol) in symbols.iter().flatten().enumerate() {
                check_symbol(&format!("{at}.symbols[{position}]"), symbol)?;
            }
            Ok(Call { symbols, gpu, window: window(at, from, to)? })
        };
        for (i, rule) in errors.into_iter().enumerate() {
            let at = format!("faults.errors[{i}]");
            let range = range(&at, &rule.calls)?;
            let probability = rule.probability.unwrap_or(1.0);
            between(&format!("{at}.probability"), probability, 0.0, 1.0)?;
            let RawError { code, symbols, gpu, from_seconds, to_seconds, .. } = rule;
            let call = call(&at, symbols, gpu, from_seconds, to_seconds)?;
            faults.errors.push(ErrorRule { call, code, range, probability });
        }
        for (i, rule) in delays.into_iter().enumerate() {
            let at = format!("faults.delays[{i}]");
            between(&format!("{at}.milliseconds"), f64::from(rule.milliseconds), 1.0, 600_000.0)?;
            let call = call(&at, rule.symbols, rule.gpu, rule.from_seconds, rule.to_seconds)?;
            faults.delays.push((call, rule.milliseconds));
        }
        for (i, rule) in hangs.into_iter().enumerate() {
            let at = format!("faults.hangs[{i}]");
            faults.hangs.push(call(&at, rule.symbols, rule.gpu, rule.from_seconds, rule.to_seconds)?);
        }
        Ok(())
    }

    fn errors_of_memory(
        &self,
        ecc: Vec<RawEcc>,
        remapped_rows: Vec<RawRemap>,
        faults: &mut Faults,
    ) -> Result<(), Problem> {
        for (i, RawEcc { gpu, at_seconds, corrected, uncorrected, sram }) in ecc.into_iter().enumerate() {
            self.moment("ecc", i, gpu, at_seconds)?;
            faults.ecc.push(EccErrors { gpu, at_seconds, corrected, uncorrected, sram });
        }
        for (i, rows) in remapped_rows.into_iter().enumerate() {
            let RawRemap { gpu, at_seconds, correctable, uncorrectable, pending, failure } = rows;
            self.moment("remapped_rows", i, gpu, at_seconds)?;
            let rows = RemappedRows { gpu, at_seconds, correctable, uncorrectable, pending, failure };
            faults.remapped_rows.push(rows);
        }
        faults.ecc.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
        faults.remapped_rows.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
        Ok(())
    }
}

fn reloads(raw: Vec<RawReload>, driver_version: &str) -> Result<Vec<Reload>, Problem> {
    let mut reloads: Vec<Reload> = Vec::with_capacity(raw.len());
    for (i, reload) in raw.into_iter().enumerate() {
        let at = format!("faults.driver_reloads[{i}]");
        let window = outage(&at, reload.at_seconds, reload.lasts_seconds)?;
        let before = reloads.last();
        if before.is_some_and(|before| window.from_seconds < before.window.to_seconds) {
            return Err(problem(
                format!("{at}.at_seconds"),
                "the one before is not over; list them in order",
            ));
        }
        let old = before.map_or(driver_version, |before| &before.version);
        let version = reload.version.unwrap_or_else(|| old.to_owned());
        check_version(&format!("{at}.version"), &version)?;
        let library_replaced_at_seconds = reload.library_replaced_at_seconds.unwrap_or(reload.at_seconds);
        reloads.push(Reload { window, version, library_replaced_at_seconds });
    }
    Ok(reloads)
}

/// A window that begins at `at_seconds`; it may be empty.
fn outage(at: &str, at_seconds: f64, lasts_seconds: f64) -> Result<Window, Problem> {
    between(&format!("{at}.at_seconds"), at_seconds, 0.0, 1e12)?;
    between(&format!("{at}.lasts_seconds"), lasts_seconds, 0.0, 1e9)?;
    Ok(Window { from_seconds: at_seconds, to_seconds: at_seconds + lasts_seconds })
}

fn range(at: &str, calls: &RawCalls) -> Result<CallRange, Problem> {
    let range = CallRange { from: calls.from.unwrap_or(1), to: calls.to.unwrap_or(u64::MAX) };
    if range.from == 0 || range.to < range.from {
        return Err(problem(
            format!("{at}.calls"),
            "calls are counted from 1, and the last is not before the first",
        ));
    }
    Ok(range)
}

fn check_symbol(field: &str, symbol: &str) -> Result<(), Problem> {
    if SYMBOLS.contains(&symbol) {
        return Ok(());
    }
    let similar = SYMBOLS
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, symbol).total_cmp(&strsim::jaro_winkler(b, symbol)));
    let hint = similar.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Err(problem(field, format!("this library has no symbol {symbol:?}{hint}")))
}
