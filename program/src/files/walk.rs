//! All files below a folder.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cannot;
use crate::findings::Findings;

/// What is below a folder.
#[derive(Debug)]
pub struct Walk {
    /// Every regular file once, as a path from the folder, in no particular order.
    pub files: Vec<PathBuf>,
    /// Every folder once that may be listed, in the same way.
    pub folders: Vec<PathBuf>,
    /// Everything else that is there.
    pub findings: Findings,
}

/// Lists `dir` at any depth.
///
/// Every file comes once, under its own path where that is below `dir`: links are followed last, and
/// only to what has not been seen. So a link back up the tree ends, and no file is there twice.
///
/// # Errors
/// If `dir` itself cannot be listed. What cannot be listed below it is among the findings.
pub fn walk(dir: &Path) -> Result<Walk> {
    let full = fs::canonicalize(dir)
        .with_context(|| format!("cannot open the data folder {}", dir.display()))?;
    let mut seen = HashSet::from([full.clone()]);
    let mut files = Vec::new();
    let mut findings = Findings::default();
    let mut links = Vec::new();
    let mut folders = Vec::new();
    // Folders to do: path from `dir`, and the real one.
    let mut waiting = vec![(PathBuf::new(), full)];
    loop {
        while let Some((path, full)) = waiting.pop() {
            let names = match names(&full) {
                Ok(names) => names,
                Err(error) if path == Path::new("") => return Err(cannot("list", dir)(error)),
                Err(_) => {
                    findings.leave_out("folders that you may not list", path);
                    continue;
                }
            };
            for name in names {
                let (path, full) = (path.join(&name), full.join(&name));
                if is_of_system(&name) {
                    findings.pass_over("files of the operating system", path);
                } else if is_hidden(&name) {
                    findings.leave_out("hidden files and folders", path);
                } else {
                    match fs::symlink_metadata(&full) {
                        Ok(found) if found.is_symlink() => links.push(path),
                        Ok(found) if found.is_dir() => {
                            if seen.insert(full.clone()) {
                                waiting.push((path, full));
                            }
                        }
                        Ok(found) if found.is_file() => {
                            if seen.insert(full) {
                                files.push(path);
                            }
                        }
                        Ok(_) => findings.leave_out("pipes and devices", path),
                        Err(_) => findings.leave_out("files that you may not look at", path),
                    }
                }
            }
            if path != Path::new("") {
                folders.push(path);
            }
        }
        // Sorted, so that of two links to one file the same one counts every time.
        links.sort_by(|a, b| b.cmp(a));
        let Some(path) = links.pop() else { return Ok(Walk { files, folders, findings }) };
        match fs::canonicalize(dir.join(&path)) {
            Err(_) => findings.leave_out("links to nothing", path),
            Ok(full) if !seen.insert(full.clone()) => {
                findings.pass_over("links to what is there already", path);
            }
            Ok(full) if full.is_dir() => waiting.push((path, full)),
            Ok(full) if full.is_file() => files.push(path),
            Ok(_) => findings.leave_out("pipes and devices", path),
        }
    }
}

/// Names of what lies in `dir`, sorted, without what is hidden or the operating system's.
///
/// # Errors
/// If `dir` cannot be listed.
pub fn names_in(dir: &Path) -> Result<Vec<OsString>> {
    let mut names = names(dir)
        .with_context(|| format!("cannot list {}; check that you may read it", dir.display()))?;
    names.retain(|name| !is_hidden(name) && !is_of_system(name));
    names.sort();
    Ok(names)
}

fn names(dir: &Path) -> std::io::Result<Vec<OsString>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether file managers and systems leave this in every folder or on every disk.
fn is_of_system(name: &OsStr) -> bool {
    const NAMES: [&str; 13] = [
        ".DS_Store",
        ".AppleDouble",
        ".Spotlight-V100",
        ".Trashes",
        ".fseventsd",
        ".directory",
        "__MACOSX",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
    ];
    name.as_encoded_bytes().starts_with(b"._")
        || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn sorted(walk: &Walk) -> Vec<&str> {
        let mut files: Vec<_> = walk.files.iter().map(|path| path.to_str().unwrap()).collect();
        files.sort_unstable();
        files
    }

    #[test]
    fn files_are_found_at_any_depth_and_the_rest_is_told() {
        let files =
            ["b", "a/deep/c", ".git/e", ".h", "a/.DS_Store", "__MACOSX/a/._c", "thumbs.DB", "._b"];
        let folder = folder(&files);
        let walk = walk(folder.path()).unwrap();
        assert_eq!(sorted(&walk), ["a/deep/c", "b"]);
        assert_eq!(walk.folders, [Path::new("a"), Path::new("a/deep")]);
        let lines: Vec<_> = walk.findings.lines().collect();
        assert!(lines[0].starts_with("left out: hidden files and folders: 2 ("), "{lines:?}");
        assert!(lines[1].starts_with("passed over: files of the operating system: 4 ("));
        assert_eq!(lines.len(), 2);
        assert!(super::walk(&folder.path().join("none")).is_err());
    }

    #[test]
    fn links_are_followed_to_what_is_new() {
        use std::os::unix::fs::symlink;
        let (folder, other) = (folder(&["b", "a/d"]), folder(&["f", "g"]));
        let (dir, elsewhere) = (folder.path(), other.path());
        symlink("..", dir.join("a/up")).unwrap();
        symlink("b", dir.join("0")).unwrap();
        symlink("nowhere", dir.join("1")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        symlink(elsewhere.join("g"), dir.join("h")).unwrap();
        symlink(elsewhere, dir.join("z")).unwrap();
        symlink(elsewhere, elsewhere.join("self")).unwrap();
        let walk = walk(dir).unwrap();
        assert_eq!(sorted(&walk), ["a/d", "b", "h", "z/f"]);
        let lines: Vec<_> = walk.findings.lines().collect();
        assert_eq!(lines[0], "left out: links to nothing: 2 (1, loop)");
        assert!(lines[1].contains("links to what is there already: 3 (0, a/up, z/self)"));
    }
}
