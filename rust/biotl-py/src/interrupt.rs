//! Long work that Ctrl-C ends.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

/// Runs `work` without the GIL. Where it is `long`, the signals of the user are looked for meanwhile: they raise the
/// flag that the work was given, and its result is dropped.
///
/// # Errors
/// What a signal handler raised, `KeyboardInterrupt` as a rule.
pub fn answering<R: Send>(py: Python<'_>, long: bool, work: impl FnOnce(&AtomicBool) -> R + Send) -> PyResult<R> {
    let stop = AtomicBool::new(false);
    if !long {
        return Ok(py.detach(|| work(&stop)));
    }
    thread::scope(|scope| {
        let (caller, flag) = (thread::current(), &stop);
        let worker = scope.spawn(move || {
            let result = work(flag);
            caller.unpark();
            result
        });
        let mut interrupted = Ok(());
        while !worker.is_finished() && interrupted.is_ok() {
            py.detach(|| thread::park_timeout(Duration::from_millis(50)));
            interrupted = py.check_signals();
        }
        stop.store(interrupted.is_err(), Relaxed);
        let result = py.detach(|| worker.join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        interrupted.map(|()| result)
    })
}
