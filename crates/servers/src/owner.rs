use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Uid, User};

use crate::{Doing, Result};

/// The user that a server runs as: an unprivileged user when we are root, otherwise the current
/// user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner(Option<(u32, u32)>);

impl Owner {
    pub(crate) fn choose(preferred: &str) -> Self {
        if !Uid::effective().is_root() {
            return Self(None);
        }
        let user = [preferred, "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        Self(user.map(|user| (user.uid.as_raw(), user.gid.as_raw())))
    }

    /// A command that runs as this owner.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command.current_dir("/");
        command
    }

    /// Creates a command that runs as this owner, inside the system in the folder `system`, where
    /// `home` is available under the same path. The mounts belong to the command and end with it.
    pub(crate) fn command_in(self, system: &Path, home: &Path, program: &Path) -> Command {
        const ENTER: &str = r#"
            set -e
            system=$1 home=$2 owner=$3
            shift 3
            mount --rbind /proc "$system/proc"
            mount --rbind /dev "$system/dev"
            mkdir -p "$system$home"
            mount --bind "$home" "$system$home"
            exec chroot --userspec="$owner" "$system" "$@"
        "#;
        let (uid, gid) = self.0.unwrap_or_default();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--", "sh", "-c", ENTER, "sh"])
            .args([system, home])
            .arg(format!("{uid}:{gid}"))
            .arg(program)
            .current_dir("/");
        command
    }

    /// Makes this owner the owner of `dir`. If the owner cannot reach `dir`, because a parent
    /// folder is closed to others, a folder in /var/tmp replaces it and `dir` becomes a link to
    /// that folder.
    pub(crate) fn home(self, dir: &Path) -> Result<PathBuf> {
        if let Ok(target) = fs::read_link(dir) {
            fs::create_dir_all(&target).doing(&format!("make {}", target.display()))?;
            return self.own(target);
        }
        fs::create_dir_all(dir).doing(&format!("make {}", dir.display()))?;
        let dir = dir
            .canonicalize()
            .doing(&format!("find {}", dir.display()))?;
        if self.reaches(&dir) {
            return self.own(dir);
        }
        let hash = dir
            .to_string_lossy()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
        let elsewhere = PathBuf::from(format!("/var/tmp/shop-dev-{hash:016x}"));
        fs::create_dir_all(&elsewhere).doing(&format!("make {}", elsewhere.display()))?;
        fs::remove_dir(&dir).doing(&format!("replace {} by a link", dir.display()))?;
        std::os::unix::fs::symlink(&elsewhere, &dir).doing(&format!("link {}", dir.display()))?;
        self.own(elsewhere)
    }

    fn reaches(self, dir: &Path) -> bool {
        self.0.is_none()
            || self
                .command(Path::new("test"))
                .arg("-x")
                .arg(dir)
                .status()
                .is_ok_and(|status| status.success())
    }

    fn own(self, dir: PathBuf) -> Result<PathBuf> {
        if let Some((uid, gid)) = self.0 {
            chown(&dir, Some(uid), Some(gid))
                .doing(&format!("hand {} to an unprivileged user", dir.display()))?;
        }
        Ok(dir)
    }

    /// Writes a file that this owner may read.
    pub(crate) fn write(self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text).doing(&format!("write {}", path.display()))?;
        if let Some((uid, gid)) = self.0 {
            chown(path, Some(uid), Some(gid)).doing(&format!("hand over {}", path.display()))?;
        }
        Ok(())
    }
}
