//! docker/upgrade.sh, run against a docker that records its calls and keeps a list of containers:
//! the script replaces services in an order in which the releases are compatible, and leaves a
//! sound state after each step that can fail. `cargo xtask test containers` runs it on an engine.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::layout::root;

/// Answers like an engine, as far as the script asks.
const DOCKER: &str = r#"#!/bin/sh
echo "$VERSION: $*" >>"$SAID/calls"
running() { cat "$SAID/containers/$1"; }
count() { running "$1" | grep -c .; }
for last; do :; done
case "$*" in
"image inspect "*) exit "${NOT_BUILT:-0}" ;;
*" saga check-compat") exit "${INCOMPATIBLE:-0}" ;;
*" --exit-code-from migrate "*) exit "${NOT_MIGRATED:-0}" ;;
"compose ps "*) running "$last" ;;
"compose up -d --wait --no-recreate "*)
    wanted=$(echo "$*" | sed "s/.*--scale $last=\([0-9]*\).*/\1/")
    while [ "$(count "$last")" -lt "$wanted" ]; do
        echo "$last-$VERSION-$(grep -c . "$SAID/calls")$(count "$last")" >>"$SAID/containers/$last"
    done
    [ "$last" != "${UNHEALTHY:-}" ]
    ;;
"rm "*) sed -i "/^$last\$/d" "$SAID"/containers/* ;;
esac
"#;

const WORKERS: &str = "worker-saga worker-payments worker-async worker-relay";

/// A checkout with the script, whose containers are of version 1.0.0.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn executable(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Place {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("upgrade-{}", uuid::Uuid::new_v4()));
        for folder in ["bin", "docker", "containers"] {
            fs::create_dir_all(place.join(folder)).unwrap();
        }
        fs::copy(
            root().join("docker/upgrade.sh"),
            place.join("docker/upgrade.sh"),
        )
        .unwrap();
        executable(&place.join("bin/docker"), DOCKER);
        executable(&place.join("bin/sleep"), "#!/bin/sh\n");
        let place = Self(place);
        for service in ["payments", "frontend"]
            .into_iter()
            .chain(WORKERS.split(' '))
        {
            place.write(
                &format!("containers/{service}"),
                &format!("{service}-1.0.0-0\n"),
            );
        }
        place.write("containers/api", "api-1.0.0-0\napi-1.0.0-1\n");
        place.write(".env", "RUST_LOG=info\nVERSION=1.0.0\n#CPUS=1\n");
        place
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    fn upgrade(&self, arguments: &[&str], env: &[(&str, &str)]) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new(self.0.join("docker/upgrade.sh"))
            .args(arguments)
            .env("PATH", format!("{}/bin:{path}", self.0.display()))
            .env("SAID", &self.0)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The version of each container of a service.
    fn versions(&self, service: &str) -> Vec<String> {
        let containers = self.read(&format!("containers/{service}"));
        let version = |id: &str| id.rsplit('-').nth(1).unwrap().to_owned();
        containers.lines().map(version).collect()
    }

    /// The calls that change something, without the version of each call.
    fn changes(&self) -> Vec<String> {
        let calls = self.read("calls");
        let calls = calls.lines().map(|call| {
            let (version, call) = call.split_once(": ").unwrap();
            assert_eq!(version, "2.0.0", "{call}");
            call.to_owned()
        });
        calls
            .filter(|call| !call.starts_with("compose ps ") && !call.starts_with("image inspect "))
            .collect()
    }
}

#[test]
fn an_upgrade_replaces_services_in_compatible_order() {
    let place = Place::new();
    let ran = place.upgrade(&["2.0.0"], &[]);
    assert!(ran.status.success(), "{ran:?}");
    let up = "compose up -d --wait --no-recreate";
    let scales = WORKERS.replace(' ', "=1 --scale ");
    let workers = format!("compose up -d --wait --scale {scales}=1 {WORKERS}");
    assert_eq!(
        place.changes(),
        [
            "compose run --rm --no-deps shopctl saga check-compat",
            "compose up --no-deps --force-recreate --exit-code-from migrate migrate",
            &format!("{up} --scale payments=2 payments"),
            "stop --time 60 payments-1.0.0-0",
            "rm payments-1.0.0-0",
            &workers,
            &format!("{up} --scale api=4 api"),
            "stop --time 60 api-1.0.0-0",
            "rm api-1.0.0-0",
            "stop --time 60 api-1.0.0-1",
            "rm api-1.0.0-1",
            // as many of the api as before
            &format!("{up} --scale api=2 --scale frontend=2 frontend"),
            "stop --time 60 frontend-1.0.0-0",
            "rm frontend-1.0.0-0",
            "compose run --rm doctor",
        ]
    );
    assert_eq!(place.versions("api"), ["2.0.0", "2.0.0"]);
    assert_eq!(
        place.read(".env"),
        "RUST_LOG=info\nVERSION=2.0.0\n#CPUS=1\n"
    );
}

#[test]
fn a_failed_step_ends_an_upgrade() {
    for (failing, last) in [
        ("INCOMPATIBLE", "saga check-compat"),
        ("NOT_MIGRATED", "--exit-code-from migrate migrate"),
    ] {
        let place = Place::new();
        let ran = place.upgrade(&["2.0.0"], &[(failing, "1")]);
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        let changes = place.changes();
        assert!(changes.last().unwrap().ends_with(last), "{changes:#?}");
        assert_eq!(place.versions("payments"), ["1.0.0"]);
        assert!(place.read(".env").contains("VERSION=1.0.0\n"));
    }
}

#[test]
fn an_old_container_stays_until_the_new_one_is_healthy() {
    let place = Place::new();
    let ran = place.upgrade(&["2.0.0"], &[("UNHEALTHY", "api")]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        said.contains("api of version 2.0.0 does not become healthy"),
        "{said}"
    );
    assert_eq!(place.versions("api"), ["1.0.0", "1.0.0"]);
    assert_eq!(place.versions("frontend"), ["1.0.0"]);
    // the replaced services that are compatible with the old api are not rolled back
    assert_eq!(place.versions("payments"), ["2.0.0"]);
    assert!(place.read(".env").contains("VERSION=1.0.0\n"));
    // the second try succeeds
    fs::remove_file(place.0.join("calls")).unwrap();
    let ran = place.upgrade(&["2.0.0"], &[]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(place.versions("api"), ["2.0.0", "2.0.0"]);
    assert!(place.read(".env").contains("VERSION=2.0.0\n"));
}

#[test]
fn an_upgrade_builds_the_images_that_are_not_there() {
    let place = Place::new();
    place.write(".env", "RUST_LOG=info\n");
    let ran = place.upgrade(&["2.0.0"], &[("NOT_BUILT", "1")]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(place.changes()[0], "compose build migrate frontend");
    assert_eq!(place.read(".env"), "RUST_LOG=info\nVERSION=2.0.0\n");
    for wrong in [&[][..], &["1", "2"]] {
        assert_eq!(place.upgrade(wrong, &[]).status.code(), Some(2));
    }
}
