//! Crash points: named places at which a test lets a process die, or stop, by a signal to itself.
//!
//! [`crash_point!`] costs one look at a variable in a debug build and is nothing in a release build,
//! which holds no name of a point (a test looks). The names stand in [`POINTS`].
//!
//! A process that is started with `CRASH_DIR` appends the name of every point that it passes to
//! `hits` in that folder, and obeys `at`, one line: `SIGKILL saga.step.after_call 2` kills it when
//! it passes that point for the second time from now on; `SIGSTOP …` freezes it there. An order is
//! carried out once: `at` is gone when the signal comes, so that the process may be started again.
//!
//! [`planted!`] asks whether a test planted a regression of this name (`PLANTED`), so that the test can show
//! that what looks for such regressions finds it. False in a release build, which holds no such name either.

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

/// A place where a process may die. Nothing at all in a release build.
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
