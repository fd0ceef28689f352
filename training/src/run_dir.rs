//! The folder of one run: `runs/<task>/<name>/{config.toml, events..., checkpoints/}`; or
//! `runs/<task>/<name>/seed-<seed>/...` where one experiment is run with several seeds, and
//! `runs/<task>/<name>/<setting>=<value>/...` where it is one of a sweep.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use distributed::World;

use program::files::{self, Lock};
use program::names;

const CONFIG: &str = "config.toml";
const CHECKPOINTS: &str = "checkpoints";
/// What the folders of several seeds begin with.
const SEED: &str = "seed-";
/// What the checkpoints of a step begin with.
const STEP: &str = "step-";
/// From which likeness on a name is suggested in place of another.
const LIKE: f64 = 0.88;
/// What a folder of a sweep has.
const SWEEP: &str = "sweep.toml";

/// A run's folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    resumed: bool,
    /// `None` where another process holds it, and while this is dropped.
    lock: Option<Lock>,
}

impl RunDir {
    /// A new run in `path`.
    ///
    /// # Errors
    /// If there is a run already, or the folder cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        if is_run(path) {
            bail!(
                "{} holds a run already; continue it with --resume {}, or choose another",
                path.display(),
                names::pasted(path)
            );
        }
        files::create_folder(&path.join(CHECKPOINTS))?;
        let lock = Some(Lock::take(path)?);
        Ok(Self { path: path.to_owned(), resumed: false, lock })
    }

    /// A new run `root/task/stem-NNN` with the first number that is free.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn create_numbered(root: &Path, task: &str, stem: &str) -> Result<Self> {
        Self::create(&make_numbered(root, task, stem)?)
    }

    /// The run in `path`, to be continued.
    ///
    /// # Errors
    /// If there is none, or another process works on it.
    pub fn resume(path: &Path) -> Result<Self> {
        if !is_run(path) {
            bail!("{} holds no run: there is no {CONFIG}", path.display());
        }
        files::create_folder(&path.join(CHECKPOINTS))?;
        let lock = Some(Lock::take(path)?);
        // Nobody else writes here now.
        for folder in [path.to_owned(), path.join(CHECKPOINTS)] {
            files::remove_partial(&folder)
                .with_context(|| format!("cannot tidy up {}", folder.display()))?;
        }
        Ok(Self { path: path.to_owned(), resumed: true, lock })
    }

    /// The folder that the first of several processes has by `open`; the others know of it and leave it
    /// alone.
    ///
    /// # Errors
    /// Those of `open`, or if a process is lost.
    pub fn among(world: &World, open: impl FnOnce() -> Result<Self>) -> Result<Self> {
        let mut own = None;
        let told = world.from_first(|| {
            let dir = open()?;
            let told = [&[u8::from(dir.resumed)], dir.path.as_os_str().as_bytes()].concat();
            own = Some(dir);
            Ok(told)
        })?;
        Ok(own.unwrap_or_else(|| Self {
            path: PathBuf::from(OsStr::from_bytes(&told[1..])),
            resumed: told[0] != 0,
            lock: None,
        }))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the run is continued rather than new.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Makes sure that no other process works on the run.
    ///
    /// # Errors
    /// If one took it over.
    pub fn check(&self) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), Lock::check)
    }

    /// Saves the resolved configuration, from which the run can be rebuilt.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, toml: &str) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        files::write(&config_file(&self.path), toml.as_bytes())
    }
}

impl Drop for RunDir {
    /// A run that never came to its configuration leaves nothing behind. Folders go only if they
    /// are empty.
    fn drop(&mut self) {
        if self.lock.is_some() && !self.resumed && !is_run(&self.path) {
            let _ = fs::remove_dir(self.path.join(CHECKPOINTS));
            self.lock = None;
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Makes the folder `root/task/stem-NNN` with the first number that is free.
///
/// # Errors
/// If it cannot be made.
pub fn make_numbered(root: &Path, task: &str, stem: &str) -> Result<PathBuf> {
    let folder = root.join(task);
    files::create_folder(&folder)?;
    let stem = names::folder_stem(stem);
    for number in 1.. {
        let path = folder.join(format!("{stem}-{number:03}"));
        // create_dir fails for all but one of several processes that start together.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(files::cannot("make the folder", &path)(error)),
        }
    }
    unreachable!("there is always another number")
}

/// Where programs keep their runs: `runs/` in the current folder.
pub fn root() -> &'static Path {
    Path::new("runs")
}

/// The configuration of the run in `run`.
pub fn config_file(run: &Path) -> PathBuf {
    run.join(CONFIG)
}

/// The newest state of the run in `run`.
pub fn last_checkpoint(run: &Path) -> PathBuf {
    run.join(CHECKPOINTS).join("last.safetensors")
}

/// The state of the run in `run` that did best on the validation split.
pub fn best_checkpoint(run: &Path) -> PathBuf {
    run.join(CHECKPOINTS).join("best.safetensors")
}

/// The state of the run in `run` after `step`, where it is one of the best.
pub(crate) fn kept_checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(CHECKPOINTS).join(format!("{STEP}{step}.safetensors"))
}

/// All such states of the run in `run`.
pub(crate) fn kept_checkpoints(run: &Path) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(STEP) && name.ends_with(".safetensors"))
    };
    below(&run.join(CHECKPOINTS)).into_iter().filter(is_one).collect()
}

/// The run that the file `checkpoint` belongs to.
pub(crate) fn of_checkpoint(checkpoint: &Path) -> Option<&Path> {
    let folder = checkpoint.parent().filter(|folder| folder.ends_with(CHECKPOINTS))?;
    folder.parent().filter(|run| is_run(run))
}

/// The run that `text` names: a folder, or `task/name` below `root`.
///
/// # Errors
/// If there is none; the message says where it was looked for and what there is.
pub fn find(root: &Path, text: &str) -> Result<PathBuf> {
    find_among(root, text, |_| true)
}

/// [`find`], where only runs that `fits` are suggested.
pub(crate) fn find_among(root: &Path, text: &str, fits: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let candidates = [PathBuf::from(text), root.join(text)];
    if let Some(found) = candidates.iter().find(|path| is_run(path)) {
        return Ok(found.clone());
    }
    if let Some(file) = candidates.iter().find(|path| path.is_file()) {
        bail!("{} is a file; name the folder of a run", file.display());
    }
    if let Some(run) = candidates.iter().flat_map(|folder| runs(folder)).next() {
        bail!("{text} holds several runs; name one of them, such as {}", run.display());
    }
    let [first, second] = candidates.map(|path| path.display().to_string());
    let known: Vec<PathBuf> = list(root).into_iter().filter(|run| fits(run)).collect();
    let nearest = known
        .iter()
        .map(|run| (strsim::jaro_winkler(&run.display().to_string(), &second), run))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, run)) if likeness >= LIKE => bail!(
            "no run {text}: neither {first} nor {second} holds a {CONFIG}; did you mean {}?",
            run.display()
        ),
        Some(_) => bail!(
            "no run {text}: neither {first} nor {second} holds a {CONFIG}, and none in {} has such a name",
            root.display()
        ),
        None => bail!(
            "no run {text}: neither {first} nor {second} holds a {CONFIG}, and there are no runs \
             in {}",
            root.display()
        ),
    }
}

/// The folder of several seeds or of a sweep that `text` names: itself, or below `root`.
pub fn find_group(root: &Path, text: &str) -> Option<PathBuf> {
    let candidates = [PathBuf::from(text), root.join(text)];
    candidates.into_iter().find(|folder| !runs(folder).is_empty())
}

/// All runs `root/<task>/<name>` and `root/<name>`, sorted, and in their places those of several
/// seeds and of sweeps.
pub fn list(root: &Path) -> Vec<PathBuf> {
    let of_task = |path: PathBuf| {
        let here = runs_at(&path);
        if here.is_empty() { below(&path).iter().flat_map(|x| runs_at(x)).collect() } else { here }
    };
    below(root).into_iter().flat_map(of_task).collect()
}

/// The run in `path`, or the runs of the group that it is.
fn runs_at(path: &Path) -> Vec<PathBuf> {
    if is_run(path) { vec![path.to_owned()] } else { runs(path) }
}

/// What a sweep's `folder` says of itself.
pub(crate) fn sweep_file(folder: &Path) -> PathBuf {
    folder.join(SWEEP)
}

/// The runs in `folder`, where it is one of several seeds or of a sweep.
pub fn runs(folder: &Path) -> Vec<PathBuf> {
    if !sweep_file(folder).is_file() {
        return seeds(folder);
    }
    below(folder).iter().flat_map(|point| runs_at(point)).collect()
}

/// The run with one of several seeds in `folder`.
pub fn seed(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("{SEED}{seed}"))
}

/// The runs of one experiment with several seeds in `folder`, in the order of the seeds.
pub fn seeds(folder: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix(SEED)?.parse().ok()
    };
    let runs = below(folder).into_iter().filter(|path| is_run(path));
    let mut runs: Vec<(u64, PathBuf)> =
        runs.filter_map(|path| Some((number(&path)?, path))).collect();
    runs.sort();
    runs.into_iter().map(|(_, path)| path).collect()
}

/// What is in `folder`, sorted.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn is_run(path: &Path) -> bool {
    config_file(path).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(root: &Path, name: &str) -> RunDir {
        let run = RunDir::create(&root.join(name)).unwrap();
        run.write_config("a = 1\n").unwrap();
        run
    }

    #[test]
    fn numbers_count_up() {
        let root = tempfile::tempdir().unwrap();
        let first = RunDir::create_numbered(root.path(), "path-x", "small").unwrap();
        let second = RunDir::create_numbered(root.path(), "path-x", "small").unwrap();
        assert!(first.path().ends_with("path-x/small-001"));
        assert!(second.path().ends_with("path-x/small-002"));
        assert!(!first.is_resumed());
    }

    #[test]
    fn seeds_are_listed_by_their_numbers_in_the_place_of_their_folder() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("task/b");
        for number in [10, 9] {
            drop(run(root.path(), seed(Path::new("task/b"), number).to_str().unwrap()));
        }
        fs::create_dir(group.join("seed-11")).unwrap(); // no run
        for name in ["task/a", "task/c"] {
            drop(run(root.path(), name));
        }
        let expected = [seed(&group, 9), seed(&group, 10)];
        assert_eq!(seeds(&group), expected);
        let [nine, ten] = expected;
        let outside = |name: &str| root.path().join(name);
        assert_eq!(list(root.path()), [outside("task/a"), nine, ten, outside("task/c")]);
    }

    #[test]
    fn a_run_without_a_configuration_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        drop(RunDir::create(&path).unwrap());
        assert!(!path.exists());
        // But what the user has there stays.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        drop(RunDir::create(&path).unwrap());
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }

    #[test]
    fn a_run_is_not_overwritten() {
        let root = tempfile::tempdir().unwrap();
        drop(run(root.path(), "a"));
        let message = RunDir::create(&root.path().join("a")).unwrap_err().to_string();
        assert!(message.contains("--resume"), "{message}");
    }

    #[test]
    fn a_second_process_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let held = run(root.path(), "a");
        let path = held.path().to_owned();
        let message = RunDir::resume(&path).unwrap_err().to_string();
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        drop(held);
        assert!(RunDir::resume(&path).unwrap().is_resumed());
    }

    #[test]
    fn resuming_tidies_up_after_a_killed_process() {
        let root = tempfile::tempdir().unwrap();
        let path = run(root.path(), "a").path().to_owned();
        let partial = path.join("checkpoints/.last.safetensors.1.partial");
        fs::write(&partial, "half").unwrap();
        RunDir::resume(&path).unwrap();
        assert!(!partial.exists());
    }

    #[test]
    fn runs_are_found_by_folder_and_by_name() {
        let root = tempfile::tempdir().unwrap();
        let path = run(root.path(), "path-x/small-001").path().to_owned();
        assert_eq!(find(root.path(), path.to_str().unwrap()).unwrap(), path);
        assert_eq!(find(root.path(), "path-x/small-001").unwrap(), path);
        assert_eq!(list(root.path()), [path]);
        let message = find(root.path(), "path-x/smal-001").unwrap_err().to_string();
        assert!(message.contains("did you mean") && message.contains("small-001"), "{message}");
        let empty = tempfile::tempdir().unwrap();
        let message = find(empty.path(), "a/b").unwrap_err().to_string();
        assert!(message.contains("there are no runs"), "{message}");
    }
}
