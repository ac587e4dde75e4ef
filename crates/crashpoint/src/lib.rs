//! Crash points: named places at which a test makes a process kill or freeze itself by a signal.
//!
//! [`crash_point!`] costs one check of a variable in a debug build, and compiles to nothing in a
//! release build, which contains no name of a point (a test verifies this). [`POINTS`] lists the
//! names.
//!
//! A process started with `CRASH_DIR` appends the name of every point that it passes to `hits` in
//! that folder, and obeys the one-line file `at`: `SIGKILL saga.step.after_call 2` kills it when it
//! passes that point for the second time from now on; `SIGSTOP …` freezes it there. An order is
//! carried out once: `at` is removed before the signal, so that the process may be started again.
//!
//! [`planted!`] tells whether a test planted the regression of this name (`PLANTED`), so that the
//! test can show that the checks detect it. It is false in a release build, which contains no such
//! name either.

#[cfg(debug_assertions)]
mod hit;
#[cfg(debug_assertions)]
mod planted;
#[cfg(debug_assertions)]
mod points;

#[cfg(debug_assertions)]
pub use hit::hit;
#[cfg(debug_assertions)]
pub use planted::is_planted;
#[cfg(debug_assertions)]
pub use points::POINTS;

/// A place where a process may die. Compiles to nothing in a release build.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(debug_assertions)]
        $crate::hit($name);
    }};
}

/// Whether the regression of this name is planted. Always false in a release build.
#[macro_export]
macro_rules! planted {
    ($name:literal) => {{
        #[cfg(debug_assertions)]
        let planted = $crate::is_planted($name);
        #[cfg(not(debug_assertions))]
        let planted = false;
        planted
    }};
}
