//! Whether the webhook listens: said by whoever binds its port, asked for readiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether the webhook listens. Clones tell the same.
///
/// Turned off and on again, it may listen anew before the former listener is gone: they are counted.
#[derive(Clone, Debug, Default)]
pub struct Listening(Arc<AtomicUsize>);

/// A port that is listened on, until this is dropped.
#[derive(Debug)]
pub struct Bound(Listening);

impl Listening {
    /// Says that a port is bound.
    pub fn bound(&self) -> Bound {
        self.0.fetch_add(1, Ordering::Relaxed);
        Bound(self.clone())
    }

    /// Whether a port is bound now.
    pub(crate) fn now(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
