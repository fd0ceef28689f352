//! Any bytes are the metadata of Pathfinder's release, whose paths stay in its folder, or an error.

#![no_main]

use std::fs;

use datasets::pathfinder::release::Release;
use datasets::pathfinder::Difficulty;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let dir = tempfile::tempdir().unwrap();
    let level = Difficulty::Hard;
    let folder = dir.path().join("pathfinder32").join(level.folder());
    fs::create_dir_all(folder.join("metadata")).unwrap();
    fs::write(folder.join("metadata/0.npy"), bytes).unwrap();
    if let Ok(release) = Release::open(dir.path(), 32, level) {
        assert!(release.entries().iter().all(|entry| entry.label < 2));
        assert!(
            !release.entries().iter().any(|entry| entry.path.split('/').any(|name| name == ".."))
        );
    }
});
