//! Beethoven's piano sonatas in clips of 8 s (SampleRNN, SaShiMi).

use super::{Layout, audio_names_in, clips_in_order, folder_name};

pub(super) const LAYOUT: Layout = Layout {
    name: "beethoven",
    about: "Beethoven: a folder `beethoven` of clips, divided in order of name",
    rate: Some(16_000),
    recognises: |dir| {
        folder_name(dir) == "beethoven" && audio_names_in(dir).is_ok_and(|names| !names.is_empty())
    },
    list: clips_in_order::list,
    others: &[],
};

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of};

    #[test]
    fn the_folder_is_known_by_its_name() {
        let (_temporary, dir) = folder_of("Beethoven", &["0.wav", "1.wav"]);
        let listing = detect(&dir).unwrap();
        assert_eq!((listing.layout.name, listing.entries.len()), ("beethoven", 2));
    }
}
