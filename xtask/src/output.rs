//! Lines on standard output. Nobody stops because they cannot be written any more, which may leave servers behind; the
//! process tells of it at its end.

use std::fmt;
use std::io::Write;
use std::sync::OnceLock;

/// Why the first line that was lost could not be written.
static LOST: OnceLock<std::io::Error> = OnceLock::new();

/// Writes a line, like `println!`.
macro_rules! output {
    ($($text:tt)*) => {
        $crate::output::line(format_args!($($text)*))
    };
}
pub(crate) use output;

/// Writes a line, unless one was lost before it.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    if LOST.get().is_none()
        && let Err(error) = writeln!(anstream::stdout(), "{text}")
    {
        // Whoever comes second has nothing to add.
        let _ = LOST.set(error);
    }
}

/// Why not all that was said could be written.
pub(crate) fn lost() -> Option<&'static std::io::Error> {
    LOST.get()
}
