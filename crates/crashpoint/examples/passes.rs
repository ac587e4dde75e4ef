//! Passes one point; a test searches this program's bytes for its name, in debug and release
//! builds.

fn main() {
    crashpoint::crash_point!("example.of_a_crash_point");
}
