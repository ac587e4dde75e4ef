use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Generous: a process that refuses its configuration exits at once.
const DEADLINE: Duration = Duration::from_secs(30);

/// Starts a program with only these variables; it must refuse them. Returns its output.
///
/// # Panics
/// When the program succeeds, or keeps running.
pub fn refused(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed() > DEADLINE {
            child.kill().expect("it can be killed");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{variables:?}: {said}");
    said.into_owned()
}
