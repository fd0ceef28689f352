//! Where a task's files are.

use std::path::{Path, PathBuf};

/// The first folder with the files that `is_there` looks for: `dir` itself, or one called as in
/// `names` in it, as official archives unpack. Where no `dir` is given, `data/<task>` and `data` are
/// looked through.
///
/// # Errors
/// With all folders that were looked at, if the files are in none.
pub fn locate(
    dir: Option<&Path>,
    task: &str,
    names: &[&str],
    is_there: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Vec<PathBuf>> {
    let roots = match dir {
        Some(dir) => vec![dir.to_owned()],
        None => vec![Path::new("data").join(task), PathBuf::from("data")],
    };
    let inside = |root: &PathBuf| names.iter().map(|name| root.join(name)).collect::<Vec<_>>();
    let looked: Vec<_> =
        roots.iter().flat_map(|root| [vec![root.clone()], inside(root)].concat()).collect();
    looked.iter().find(|folder| is_there(folder)).cloned().ok_or(looked)
}

/// Folders in words, for messages: "a, b and c".
pub fn listed(folders: &[PathBuf]) -> String {
    let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_as_they_unpack_and_the_nearest_counts() {
        let has = |place: &'static str| move |folder: &Path| folder == Path::new(place);
        let find = |dir: Option<&str>, place| {
            locate(dir.map(Path::new), "image", &["cifar-10-batches-bin"], has(place))
        };
        assert_eq!(find(Some("d"), "d").unwrap(), Path::new("d"));
        let inside = "d/cifar-10-batches-bin";
        assert_eq!(find(Some("d"), inside).unwrap(), Path::new(inside));
        let default = "data/cifar-10-batches-bin";
        assert_eq!(find(None, default).unwrap(), Path::new(default));
        let looked = find(Some("d"), "elsewhere").unwrap_err();
        assert_eq!(listed(&looked), "d and d/cifar-10-batches-bin");
        assert_eq!(find(None, "elsewhere").unwrap_err().len(), 4);
    }
}
