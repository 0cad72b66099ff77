//! The snapshot file: counters that survive a restart.
//!
//! It is written whole, beside its place, and renamed into it, so that a crash leaves the old one or the new one. Its last
//! line is the BLAKE3 digest of all others. A file that is there but can't be trusted ends the start: to begin at zero
//! instead would grant every budget once more, and nobody would notice. Whoever wants that moves the file away.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use tower_portkey::limit::{CounterState, LocalCounters};

const HEAD: &str = "portkey-gateway counters 1";

/// Why the file can't be used.
#[derive(Debug)]
pub(crate) struct FileError {
    path: PathBuf,
    why: String,
}

/// Puts the counters of the file back, if it is there. Says how many there are.
pub(crate) fn restore<T: Fn() -> SystemTime>(path: &Path, counters: &LocalCounters<T>) -> Result<usize, FileError> {
    let error = |why: String| FileError { path: path.to_owned(), why };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(failed) => return Err(error(failed.to_string())),
    };
    let states = parse(&text).map_err(|why| error(why.to_owned()))?;
    for state in &states {
        counters.restore(state).map_err(|refused| error(refused.to_string()))?;
    }
    Ok(states.len())
}

/// Writes where the counters stand.
pub(crate) fn save<T: Fn() -> SystemTime>(path: &Path, counters: &LocalCounters<T>) -> Result<(), FileError> {
    let error = |failed: io::Error| FileError { path: path.to_owned(), why: failed.to_string() };
    let text = render(counters.snapshot());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // What a crash left there, or what somebody put there, a link to another file among it.
    fs::remove_file(&beside).or_else(|failed| match failed.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error(failed)),
    })?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(error)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(error)?;
    fs::rename(&beside, path).map_err(error)?;
    // The name has to last as the bytes do; where a folder can't be opened, it lasts when the system says so.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).or_else(|failed| match failed.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput => Ok(()),
        _ => Err(error(failed)),
    })
}

fn render(states: impl Iterator<Item = CounterState>) -> String {
    let mut text = format!("{HEAD}\n");
    for state in states {
        // Structs of numbers and strings always serialise.
        text.push_str(&serde_json::to_string(&state).unwrap_or_default());
        text.push('\n');
    }
    let digest = blake3::hash(text.as_bytes()).to_hex();
    text + &digest + "\n"
}

fn parse(text: &str) -> Result<Vec<CounterState>, &'static str> {
    let lines = text.strip_suffix('\n').ok_or("the file is cut off")?;
    let (body, digest) = lines.rsplit_once('\n').ok_or("the file is cut off")?;
    let body = &text[..=body.len()];
    if blake3::hash(body.as_bytes()).to_hex().as_str() != digest {
        return Err("the checksum is wrong");
    }
    let mut lines = body.lines();
    if lines.next() != Some(HEAD) {
        return Err("the file is not one of counters, or of another version");
    }
    lines.map(|line| serde_json::from_str(line).map_err(|_| "a line is no counter")).collect()
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (move the file away to begin all counters at zero)", self.path.display(), self.why)
    }
}

impl std::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower_portkey::{
        context::{Principal, UsageLimit},
        limit::{Counter as _, Want},
    };

    use super::*;

    fn counters() -> LocalCounters<fn() -> SystemTime> {
        LocalCounters::with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(100))
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("portkey-limits-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn counters_survive() {
        let folder = folder("survive");
        let path = folder.join("counters");
        let before = counters();
        assert_eq!(restore(&path, &before).expect("no file"), 0);
        let limit = UsageLimit::from_json(r#"{"type":"requests","credit_limit":2}"#).expect("a limit");
        let who = Principal::new("k\n\"\u{1}").with_limits(limit, Vec::new());
        drop(before.take(who.rules(), &Want::ONE));
        save(&path, &before).expect("saved");
        save(&path, &before).expect("saved again");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);

        let after = counters();
        assert_eq!(restore(&path, &after).expect("a file"), 1);
        assert_eq!(after.snapshot().collect::<Vec<_>>(), before.snapshot().collect::<Vec<_>>());
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("a file").permissions()) & 0o777,
            0o600
        );

        // Nothing is written through what stands beside it, and its mode is not taken over.
        #[cfg(unix)]
        {
            let (victim, beside) = (folder.join("victim"), folder.join("counters.new"));
            fs::write(&victim, "theirs").expect("written");
            std::os::unix::fs::symlink(&victim, &beside).expect("a link");
            save(&path, &before).expect("saved beside a link");
            assert_eq!(fs::read_to_string(&victim).expect("a file"), "theirs");
            fs::rename(&victim, &beside).expect("a file of another mode");
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            fs::set_permissions(&beside, open).expect("a mode");
            save(&path, &before).expect("saved beside a file");
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("a file").permissions());
            assert_eq!(mode & 0o777, 0o600);
        }

        // A file that was changed by one bit anywhere, or cut off anywhere, is no file of ours.
        let good = fs::read_to_string(&path).expect("a file");
        assert!(parse(&good).is_ok());
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] ^= 1;
            assert!(parse(&String::from_utf8(bad).expect("ASCII")).is_err(), "{at}");
            assert!(parse(&good[..at]).is_err(), "{at}");
        }
        fs::write(&path, good.replacen("\"used\":1", "\"used\":0", 1)).expect("written");
        let error = restore(&path, &counters()).expect_err("a bad file").to_string();
        assert!(error.contains("the checksum is wrong (move the file away"), "{error}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
