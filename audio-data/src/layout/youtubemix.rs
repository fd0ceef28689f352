//! YouTubeMix: piano music in clips of a minute (SaShiMi).

use super::{Layout, audio_names_in, clips_in_order, folder_name};

pub(super) const LAYOUT: Layout = Layout {
    name: "youtubemix",
    about: "YouTubeMix: a folder `youtube_mix` of clips, divided in order of name",
    rate: Some(16_000),
    recognises: |dir| {
        ["youtubemix", "youtube_mix"].contains(&&*folder_name(dir))
            && audio_names_in(dir).is_ok_and(|names| !names.is_empty())
    },
    list: clips_in_order::list,
    others: &[],
};

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of};

    #[test]
    fn the_folder_is_known_by_its_name() {
        for name in ["youtube_mix", "YouTubeMix"] {
            let (_temporary, dir) = folder_of(name, &["out0.wav", "more/out1.wav"]);
            let listing = detect(&dir).unwrap();
            assert_eq!((listing.layout.name, listing.entries.len()), ("youtubemix", 1));
        }
        let (_temporary, dir) = folder_of("youtube_mix", &["more/out1.wav"]);
        assert_eq!(detect(&dir).unwrap().layout.name, "folder");
    }
}
