//! From files on disk to codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use audio_data::corpus::{self, Corpus, Prepared};
use audio_data::layout;
use audio_data::part::Part;
use audio_data::quantise::{Companding, Quantiser, Scaling, stretch};
use audio_data::split::{Lent, Names, Shares, Span, SplitBy, divide};
use audio_data::windows::{Cut, Windows};
use dsp::resample::Resampler;
use tempfile::TempDir;

const RATE: u32 = 16_000;

/// A tone with an offset, so that its minimum and maximum are its own.
fn tone(frames: usize, volume: f32) -> Vec<i16> {
    let wave = |i: usize| 0.1 + volume * (i as f32 * 0.05).sin() * (i as f32 * 0.0007).cos();
    (0..frames).map(|i| (wave(i) * 20_000.0) as i16).collect()
}

fn samples(pcm: &[i16]) -> Vec<f32> {
    pcm.iter().map(|&x| f32::from(x) / 32768.0).collect()
}

fn write_wav(path: &Path, rate: u32, pcm: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for &x in pcm {
        writer.write_sample(x).unwrap();
    }
    writer.finalize().unwrap();
}

/// Two files at 16 kHz, one at 8 kHz, one that is no audio.
struct Clips {
    temporary: TempDir,
}

impl Clips {
    fn new() -> Self {
        let clips = Self { temporary: tempfile::tempdir().unwrap() };
        fs::create_dir(clips.dir()).unwrap();
        write_wav(&clips.dir().join("a.wav"), RATE, &tone(40_000, 0.5));
        write_wav(&clips.dir().join("b.wav"), RATE / 2, &tone(9_000, 0.8));
        fs::write(clips.dir().join("broken.wav"), "RIFF, more or less").unwrap();
        write_wav(&clips.dir().join("c.wav"), RATE, &tone(3_000, 0.2));
        clips
    }

    fn dir(&self) -> PathBuf {
        self.temporary.path().join("clips")
    }

    fn cache(&self) -> PathBuf {
        self.temporary.path().join("cache")
    }

    fn try_prepare(&self, rate: u32, strict: bool) -> Result<Prepared> {
        let listing = layout::detect(&self.dir())?;
        let prepared =
            corpus::prepare(&listing, rate, &self.cache(), strict, &|_, _| {}, &|| false)?;
        Ok(prepared.expect("it was not cancelled"))
    }

    fn prepare(&self) -> Prepared {
        self.try_prepare(RATE, false).unwrap()
    }

    /// Names in the cache.
    fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn cached_file(&self, name: &str) -> PathBuf {
        let names = self.cached();
        assert_eq!(names.len(), 1, "{names:?}");
        self.cache().join(&names[0]).join(name)
    }
}

fn recording(corpus: &Corpus, i: usize) -> Vec<f32> {
    let mut out = vec![0.0; corpus.recordings()[i].frames as usize];
    corpus.read(i, 0, &mut out).unwrap();
    out
}

fn extremes(samples: &[f32]) -> (f32, f32) {
    let fold = |from, by: fn(f32, f32) -> f32| samples.iter().copied().fold(from, by);
    (fold(f32::INFINITY, f32::min), fold(f32::NEG_INFINITY, f32::max))
}

#[test]
fn recordings_are_the_files_at_one_rate() {
    let clips = Clips::new();
    let prepared = clips.prepare();
    let corpus = &prepared.corpus;
    assert!(!prepared.reused);
    assert_eq!(corpus.rate(), RATE);
    let found: Vec<_> = corpus
        .recordings()
        .iter()
        .map(|r| (r.path.to_str().unwrap(), r.entry, r.frames, r.source_rate, r.channels))
        .collect();
    let expected = [
        ("a.wav", 0, 40_000, 16_000, 1),
        ("b.wav", 1, 18_000, 8_000, 1),
        ("c.wav", 3, 3_000, 16_000, 1),
    ];
    assert_eq!(found, expected);
    assert_eq!(recording(corpus, 0), samples(&tone(40_000, 0.5)));
    assert_eq!(recording(corpus, 2), samples(&tone(3_000, 0.2)));
    let mut resampled = Vec::new();
    let mut resampler = Resampler::new(RATE / 2, RATE).unwrap();
    resampler.push(&samples(&tone(9_000, 0.8)), &mut resampled).unwrap();
    resampler.finish(&mut resampled).unwrap();
    assert_eq!(recording(corpus, 1), resampled);
    for (i, found) in corpus.recordings().iter().enumerate() {
        assert_eq!((found.min, found.max), extremes(&recording(corpus, i)));
    }
    let [skipped] = &prepared.skipped[..] else { panic!("{:?}", prepared.skipped) };
    assert_eq!(skipped.path, Path::new("broken.wav"));
    assert!(!skipped.reason.is_empty() && !skipped.reason.contains("broken.wav"), "{skipped:?}");
}

#[test]
fn codes_are_those_of_the_direct_way() {
    let clips = Clips::new();
    let corpus = Arc::new(clips.prepare().corpus);
    let all: Vec<_> = corpus
        .recordings()
        .iter()
        .enumerate()
        .map(|(recording, found)| Span { recording, start: 0, frames: found.frames })
        .collect();
    for companding in [Companding::MuLaw, Companding::ALaw, Companding::Linear] {
        let quantiser = Quantiser::new(companding, 10).unwrap();
        for scaling in [Scaling::Clip, Scaling::Recording, Scaling::None] {
            let cut = Cut::Windows { length: 7_000 };
            let windows = Windows::new(corpus.clone(), &all, cut, quantiser, scaling).unwrap();
            // 5 of 40,000, 2 of 18,000, and 3,000 as they are.
            assert_eq!((windows.len(), windows.longest()), (8, 7_000));
            assert_eq!(windows.length(7), 3_000);
            assert_eq!(windows.source(6), (Path::new("b.wav"), 7_000, 7_000));
            for i in 0..windows.len() {
                let (path, start, frames) = windows.source(i);
                let index = corpus.recordings().iter().position(|r| r.path == path).unwrap();
                let whole = recording(&corpus, index);
                let window = &whole[start as usize..(start + frames) as usize];
                let (min, max) = match scaling {
                    Scaling::Clip => extremes(window),
                    _ => extremes(&whole),
                };
                let peak = f64::from(max.max(-min));
                let expected = window.iter().map(|&x| match scaling {
                    Scaling::None => quantiser.encode(x),
                    Scaling::Recording => quantiser.encode(f64::from(x) / peak),
                    Scaling::Clip => quantiser.encode(stretch(x, min, max)),
                });
                let mut codes = vec![7];
                windows.codes(i, &mut codes).unwrap();
                assert_eq!(codes.len(), 1 + windows.length(i));
                assert_eq!(codes[0], 7);
                assert!(codes[1..].iter().copied().eq(expected), "{companding:?} {scaling:?} {i}");
                // The samples themselves, which float32 may round into the next code.
                let mut samples = vec![0.5];
                windows.samples(i, &mut samples).unwrap();
                assert_eq!((samples.len(), samples[0]), (codes.len(), 0.5));
                let near = |(&x, &code): (&f32, &u16)| quantiser.encode(x).abs_diff(code) <= 1;
                assert!(samples[1..].iter().zip(&codes[1..]).all(near), "{scaling:?} {i}");
                assert!(samples.iter().all(|x| x.abs() <= 1.0));
            }
            assert!(windows.codes(8, &mut vec![]).is_err());
            assert!(windows.samples(8, &mut vec![]).is_err());
        }
    }
}

#[test]
fn wrong_requests_are_errors() {
    let clips = Clips::new();
    let corpus = Arc::new(clips.prepare().corpus);
    let mut out = [0.0; 10];
    corpus.read(2, 2_990, &mut out).unwrap();
    assert!(corpus.read(2, 2_991, &mut out).is_err());
    assert!(corpus.read(2, u64::MAX, &mut out).is_err());
    assert!(corpus.read(3, 0, &mut out).is_err());
    let quantiser = Quantiser::new(Companding::Linear, 8).unwrap();
    let error = |span: Span, cut| {
        let corpus = corpus.clone();
        Windows::new(corpus, &[span], cut, quantiser, Scaling::None).unwrap_err().to_string()
    };
    let span = Span { recording: 2, start: 0, frames: 3_000 };
    assert!(error(span, Cut::Windows { length: 0 }).contains("0 samples"));
    let message = error(span, Cut::Windows { length: 50_000 });
    assert!(message.contains("3000 samples (0.19 s)"), "{message}");
    let cut = Cut::Whole { max: None };
    assert!(error(Span { frames: 3_001, ..span }, cut).contains("not in the corpus"));
    assert!(error(Span { recording: 3, ..span }, cut).contains("not in the corpus"));
}

#[test]
fn a_complete_cache_is_reused_and_changes_make_a_new_one() {
    let clips = Clips::new();
    let first = clips.prepare();
    let second = clips.prepare();
    assert!(second.reused);
    assert_eq!(second.skipped, first.skipped);
    assert_eq!(second.corpus.recordings(), first.corpus.recordings());
    assert_eq!(recording(&second.corpus, 1), recording(&first.corpus, 1));
    assert_eq!(clips.cached().len(), 1);

    assert!(!clips.try_prepare(8_000, false).unwrap().reused);
    write_wav(&clips.dir().join("c.wav"), RATE, &tone(3_001, 0.2));
    let changed = clips.prepare();
    assert!(!changed.reused);
    assert_eq!(changed.corpus.recordings()[2].frames, 3_001);
    fs::remove_file(clips.dir().join("c.wav")).unwrap();
    assert_eq!(clips.prepare().corpus.recordings().len(), 2);
    assert_eq!(clips.cached().len(), 4);
    // The file behind an open corpus stays as it was.
    assert_eq!(recording(&first.corpus, 2), samples(&tone(3_000, 0.2)));
}

#[test]
fn a_damaged_cache_is_made_anew() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("index.json", |path| fs::write(path, "{").unwrap()),
        ("index.json", |path| fs::remove_file(path).unwrap()),
        ("index.json", |path| {
            let text = fs::read_to_string(path).unwrap();
            let changed = text.replace("\"frames\": 40000", "\"frames\": 18446744073709551615");
            assert_ne!(text, changed);
            fs::write(path, changed).unwrap();
        }),
        ("samples.f32", |path| {
            let length = fs::metadata(path).unwrap().len();
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length - 4).unwrap();
        }),
        ("samples.f32", |path| fs::remove_file(path).unwrap()),
    ];
    for (i, (name, damage)) in damages.into_iter().enumerate() {
        let clips = Clips::new();
        let before = recording(&clips.prepare().corpus, 1);
        damage(&clips.cached_file(name));
        let after = clips.prepare();
        assert!(!after.reused, "damage {i}");
        assert_eq!(recording(&after.corpus, 1), before);
        assert!(clips.prepare().reused);
        assert_eq!(clips.cached().len(), 1);
    }
}

#[test]
fn strict_names_the_damaged_file_also_from_the_cache() {
    let clips = Clips::new();
    let message = format!("{:#}", clips.try_prepare(RATE, true).unwrap_err());
    assert!(message.contains("broken.wav"), "{message}");
    assert!(clips.cached().is_empty());
    clips.prepare();
    let from_cache = format!("{:#}", clips.try_prepare(RATE, true).unwrap_err());
    assert_eq!(message, from_cache);
    fs::remove_file(clips.dir().join("broken.wav")).unwrap();
    clips.try_prepare(RATE, true).unwrap();
}

#[test]
fn nothing_readable_is_an_error() {
    let clips = Clips::new();
    for name in ["a.wav", "b.wav", "c.wav"] {
        fs::write(clips.dir().join(name), "").unwrap();
    }
    let message = format!("{:#}", clips.try_prepare(RATE, false).unwrap_err());
    assert!(message.contains("none of the 4") && message.contains("a.wav"), "{message}");
    assert!(clips.cached().is_empty());
    let listing = layout::detect(&clips.dir()).unwrap();
    let message = format!("{:#}", corpus::default_rate(&listing).unwrap_err());
    assert!(message.contains("none of the 4"), "{message}");
}

#[test]
fn a_rate_that_is_none_is_refused() {
    let message = format!("{:#}", Clips::new().try_prepare(0, false).unwrap_err());
    assert!(message.contains("0 Hz"), "{message}");
}

#[test]
fn the_usual_rate_is_that_of_most_files() {
    let clips = Clips::new();
    let rate = || corpus::default_rate(&layout::detect(&clips.dir()).unwrap()).unwrap();
    assert_eq!(rate(), RATE);
    write_wav(&clips.dir().join("a.wav"), 8_000, &tone(100, 0.5));
    assert_eq!(rate(), 8_000);
    fs::remove_file(clips.dir().join("b.wav")).unwrap();
    assert_eq!(rate(), RATE, "of two equally common ones the higher");
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let clips = Clips::new();
    let listing = layout::detect(&clips.dir()).unwrap();
    // At once, and in the middle of a file.
    for after in [0, 3] {
        let asked = AtomicUsize::new(0);
        let prepared = corpus::prepare(&listing, RATE, &clips.cache(), false, &|_, _| {}, &|| {
            asked.fetch_add(1, Ordering::Relaxed) >= after
        });
        assert!(prepared.unwrap().is_none());
        assert!(clips.cached().is_empty());
    }
}

#[test]
fn progress_counts_every_file() {
    let clips = Clips::new();
    let listing = layout::detect(&clips.dir()).unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    corpus::prepare(&listing, RATE, &clips.cache(), false, &progress, &|| false).unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4)]);
}

#[test]
fn several_may_prepare_at_once() {
    let clips = Clips::new();
    let expected = samples(&tone(40_000, 0.5));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(recording(&clips.prepare().corpus, 0), expected));
        }
    });
    assert_eq!(clips.cached().len(), 1);
    assert!(clips.prepare().reused);
}

#[test]
fn threads_read_at_once() {
    let clips = Clips::new();
    let corpus = clips.prepare().corpus;
    let expected: Vec<_> = (0..3).map(|i| recording(&corpus, i)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (corpus, expected) = (&corpus, &expected);
            scope.spawn(move || {
                let mut out = vec![0.0; 517];
                for step in 0..200 {
                    let i = (step + thread) % 3;
                    let start = step * 31 % (expected[i].len() - out.len());
                    corpus.read(i, start as u64, &mut out).unwrap();
                    assert_eq!(out, expected[i][start..start + out.len()]);
                }
            });
        }
    });
}

#[test]
fn what_killed_processes_left_is_removed_after_a_day() {
    let clips = Clips::new();
    for (name, hours) in [(".building-old", 25), (".building-new", 1), ("other-old", 25)] {
        let folder = clips.cache().join(name);
        fs::create_dir_all(folder.join("corpus")).unwrap();
        let samples = fs::File::create(folder.join("corpus/samples.f32")).unwrap();
        let age = std::time::Duration::from_secs(hours * 3600);
        samples.set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    clips.prepare();
    let cached = clips.cached();
    assert!(!cached.contains(&".building-old".to_owned()));
    assert!(cached.contains(&".building-new".to_owned()));
    assert!(cached.contains(&"other-old".to_owned()));
}

#[test]
fn a_cache_that_cannot_be_written_is_explained() {
    let clips = Clips::new();
    fs::write(clips.cache(), "in the way").unwrap();
    let message = format!("{:#}", clips.try_prepare(RATE, false).unwrap_err());
    assert!(message.contains("cannot write the audio cache in"), "{message}");
}

/// A listing of few files is divided by time, and each part is cut on its own.
#[test]
fn parts_of_one_recording_do_not_overlap() {
    let clips = Clips::new();
    for name in ["b.wav", "broken.wav", "c.wav"] {
        fs::remove_file(clips.dir().join(name)).unwrap();
    }
    let listing = layout::detect(&clips.dir()).unwrap();
    let corpus = Arc::new(clips.prepare().corpus);
    let (names, shares, lent) = (Names::Nfc, Shares::default(), Lent::new());
    let divided =
        divide(&listing, corpus.recordings(), SplitBy::Auto, names, shares, &lent).unwrap();
    assert_eq!(divided.by, SplitBy::Time);
    let quantiser = Quantiser::new(Companding::MuLaw, 8).unwrap();
    let mut sources = Vec::new();
    for split in [Part::Train, Part::Val, Part::Test] {
        let spans = divided.spans(split).unwrap();
        let cut = Cut::Windows { length: 2_000 };
        let windows =
            Windows::new(corpus.clone(), spans, cut, quantiser, Scaling::Recording).unwrap();
        sources.extend((0..windows.len()).map(|i| (windows.source(i).1, windows.source(i).2)));
    }
    // 35,200 samples to train on, 2,400 each to validate and test.
    let mut expected: Vec<_> = (0..17).map(|i| (i * 2_000, 2_000)).collect();
    expected.extend([(35_200, 2_000), (37_600, 2_000)]);
    assert_eq!(sources, expected);
}

#[test]
#[ignore = "needs S4_DATA"]
fn real_data_fsdd_is_prepared() {
    let data = std::env::var_os("S4_DATA").map(PathBuf::from);
    let data = data.expect("S4_DATA names a folder of real data");
    let cache = tempfile::tempdir().unwrap();
    let listing = layout::detect(&data.join("fsdd")).unwrap();
    let rate = corpus::default_rate(&listing).unwrap();
    assert_eq!(rate, 8_000);
    let prepared =
        corpus::prepare(&listing, rate, cache.path(), true, &|_, _| {}, &|| false).unwrap();
    let corpus = Arc::new(prepared.unwrap().corpus);
    assert_eq!(corpus.recordings().len(), 2_500);
    let (names, shares, lent) = (Names::Nfc, Shares::default(), Lent::new());
    let divided =
        divide(&listing, corpus.recordings(), SplitBy::Auto, names, shares, &lent).unwrap();
    let quantiser = Quantiser::new(Companding::MuLaw, 8).unwrap();
    for (split, count) in [(Part::Train, 2_000), (Part::Val, 250), (Part::Test, 250)] {
        let spans = divided.spans(split).unwrap();
        let cut = Cut::Whole { max: None };
        let windows =
            Windows::new(corpus.clone(), spans, cut, quantiser, Scaling::Recording).unwrap();
        assert_eq!(windows.len(), count);
        let mut codes = Vec::new();
        for i in 0..windows.len() {
            windows.codes(i, &mut codes).unwrap();
        }
        // Every recording is stretched over all codes.
        assert!(codes.contains(&0) && codes.contains(&255));
    }
}
