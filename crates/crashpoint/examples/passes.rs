//! Passes one point: a test looks for its name in this program's bytes, debug and release.

fn main() {
    crashpoint::crash_point!("example.of_a_crash_point");
}
