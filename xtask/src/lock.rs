//! Locks: concurrent runs in one checkout would stop each other's servers.

use std::fs::{self, File, TryLockError};

use servers::Result;

use crate::{Doing, cargo::dev_dir};

/// Takes the named lock until it is dropped or this process ends; `None` when another run holds it.
pub(crate) fn try_take(name: &str) -> Result<Option<File>> {
    let file = open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).doing(&format!("lock .dev/{name}.lock")),
    }
}

/// Takes the named lock, waiting until no other run holds it.
pub(crate) fn take(name: &str) -> Result<File> {
    if let Some(file) = try_take(name)? {
        return Ok(file);
    }
    eprintln!("waiting for another run in this checkout to end");
    let file = open(name)?;
    file.lock().doing(&format!("lock .dev/{name}.lock"))?;
    Ok(file)
}

fn open(name: &str) -> Result<File> {
    fs::create_dir_all(dev_dir()).doing("make .dev")?;
    File::create(dev_dir().join(format!("{name}.lock"))).doing(&format!("open .dev/{name}.lock"))
}
