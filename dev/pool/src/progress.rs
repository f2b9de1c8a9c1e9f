//! Where the library tells a waiting person what it is doing.

use std::{fmt, sync::Arc};

/// A line-by-line listener; cheap to clone. By default lines go to standard error.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str) + Send + Sync>);

impl Progress {
    /// Hands every line to `listener`.
    pub fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Says nothing.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Reports one line.
    pub fn line(&self, text: impl AsRef<str>) {
        (self.0)(text.as_ref());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(|line| eprintln!("{line}"))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Progress")
    }
}
