//! Pid files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use evergate_linux::process::{Signal, kill};

/// A pid file of this process, removed when dropped.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    pid: u32,
}

impl PidFile {
    /// Writes `pid` to `path`. Missing directories below `/run` are made, as nobody else would.
    pub(crate) fn write(path: &Path, pid: u32) -> io::Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| parent.starts_with("/run")) {
            fs::create_dir_all(parent)?;
        }
        if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
            // A device or a link is written through, and not ours to replace or remove.
            fs::write(path, format!("{pid}\n"))?;
            return Ok(Self { path: path.to_owned(), pid });
        }
        // Under another name first: whoever waits for the file never finds it empty.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{pid}"));
        let fresh = PathBuf::from(fresh);
        fs::write(&fresh, format!("{pid}\n"))?;
        fs::rename(&fresh, path).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
        Ok(Self { path: path.to_owned(), pid })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Another process's id stands there by now: leaves it alone.
    pub(crate) fn forget(&mut self) {
        self.path = PathBuf::new();
    }

    /// Gives it another name; whatever has that name is replaced.
    pub(crate) fn rename(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        path.clone_into(&mut self.path);
        Ok(())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another process may have put its own there meanwhile (a binary upgrade).
        let regular = fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.is_file());
        if regular && read(&self.path).is_ok_and(|content| content.trim() == self.pid.to_string()) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// What a pid file holds, at most a line.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = Vec::new();
    fs::File::open(path)?.take(64).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The living process that a pid file names, if it does.
pub(crate) fn living(path: &Path) -> Option<i32> {
    let pid = read(path).ok()?.trim().parse().ok()?;
    let alive = match kill(pid, Signal(0)) {
        Ok(()) => true,
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    };
    alive.then_some(pid)
}

/// A system error as nginx writes it: `2: No such file or directory`.
pub(crate) fn in_nginx_words(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else { return error.to_string() };
    let text = error.to_string();
    let text = text.rsplit_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    format!("{number}: {text}")
}

#[cfg(test)]
mod tests {
    use super::{PidFile, in_nginx_words, living};

    #[test]
    fn a_pid_file_lives_as_long_as_its_owner_unless_it_was_taken_over() {
        let directory = std::env::temp_dir().join(format!("evergate-pid-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("a.pid");
        let ours = PidFile::write(&path, std::process::id()).expect("written");
        assert_eq!(living(&path), i32::try_from(std::process::id()).ok());
        drop(ours);
        assert!(!path.exists());
        let ours = PidFile::write(&path, std::process::id()).expect("written");
        std::fs::write(&path, "1\n").expect("taken over");
        drop(ours);
        assert!(path.exists());
        std::fs::write(&path, "").expect("emptied");
        assert_eq!(living(&path), None);
        std::fs::remove_dir_all(&directory).expect("removed");
    }

    #[test]
    fn errors_read_as_in_nginx() {
        let error = std::io::Error::from_raw_os_error(98);
        assert_eq!(in_nginx_words(&error), "98: Address already in use");
    }
}
