//! `page`: sounds of runs and folders to listen to and look at, on one HTML page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use audio_data::read::{Reader, resampled};
use audio_data::wav_out::wav_bytes;
use clap::Args as ClapArgs;
use dsp::spectrum::spectrogram;
use program::exit::{Exit, describe};
use program::files;
use program::findings::tell_skipped;
use program::names::shown;
use program::output::{note, say};
use report::bars::{Bar, Bars};
use report::cell::Cell;
use report::page::{Clip, Fold, Page, Part};
use report::picture::{png, waveform};
use serde_json::Value;
use training::run_dir;

use crate::data::file::sounds;
use crate::metrics::study::Figure;

/// Arguments of `page`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Runs, of which `samples` is shown, or folders of sounds
    #[arg(value_name = "RUN|DIR", required = true)]
    sources: Vec<PathBuf>,
    /// The page
    #[arg(long, value_name = "FILE.html")]
    out: PathBuf,
    /// Folder of real sounds, shown first
    #[arg(long, value_name = "DIR")]
    real: Option<PathBuf>,
    /// What `metrics --json` printed
    #[arg(long, value_name = "FILE.json")]
    metrics: Option<PathBuf>,
    /// Heading of the page
    #[arg(long, default_value = "Generated sound")]
    title: String,
    /// Sounds of each source
    #[arg(long, value_name = "N", default_value_t = 12)]
    count: usize,
    /// Seconds of each sound at most
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    seconds: f64,
}

/// Rows of a spectrogram.
const HEIGHT: usize = 128;

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.count > 0, "--count must be at least 1");
    ensure!(args.seconds > 0.0 && args.seconds.is_finite(), "--seconds must be above 0");
    files::check_writable(&args.out)?;
    let mut page = Page::new(&args.title);
    if let Some(file) = &args.metrics {
        scores(&mut page, file).with_context(|| shown(file))?;
    }
    let mut skipped = Vec::new();
    if let Some(dir) = &args.real {
        page.add(Part::Heading("Real".to_owned()));
        let files = sounds(dir)?;
        // Spread over the folder, which as a rule is in the order of classes or speakers.
        let step = files.len().div_ceil(args.count);
        clips(&mut page, dir, files.into_iter().step_by(step), args, &mut skipped);
    }
    for source in &args.sources {
        let run = [source.clone(), run_dir::root().join(source)]
            .into_iter()
            .find(|run| run_dir::config_file(run).is_file());
        let dir = run.as_ref().map_or_else(|| source.clone(), |run| run.join("samples"));
        let files = sounds(&dir).with_context(|| {
            format!("nothing to hear of {}; `sashimi generate` writes samples", shown(source))
        })?;
        page.add(Part::Heading(shown(source)));
        clips(&mut page, &dir, files.into_iter().take(args.count), args, &mut skipped);
        if let Some(run) = run {
            let file = run_dir::config_file(&run);
            let text = std::fs::read_to_string(&file).map_err(files::cannot("read", &file))?;
            page.add(Part::Details("Settings".to_owned(), Fold::Closed, vec![Part::Code(text)]));
        }
    }
    tell_skipped(&skipped, "");
    let html = page.to_html();
    files::write(&args.out, html.as_bytes())?;
    note(format_args!("{:.1} MB; opens in any browser", html.len() as f64 / 1e6));
    say(shown(&args.out))?;
    Ok(Exit::Done)
}

/// Adds the sounds that can be read.
fn clips(
    page: &mut Page,
    dir: &Path,
    files: impl Iterator<Item = PathBuf>,
    args: &Args,
    skipped: &mut Vec<(PathBuf, String)>,
) {
    let mut clips = Vec::new();
    for file in files {
        match clip(&file, dir, args.seconds) {
            Ok(clip) => clips.push(clip),
            Err(error) => skipped.push((file, describe(&error))),
        }
    }
    page.add(Part::Clips(clips));
}

fn clip(file: &Path, dir: &Path, seconds: f64) -> Result<Clip> {
    let rate = Reader::open(file)?.format().rate;
    let most = (seconds * f64::from(rate)).ceil() as usize;
    let (mut samples, mut total) = (Vec::new(), 0);
    resampled(file, rate, |block| {
        total += block.len();
        samples.extend_from_slice(&block[..block.len().min(most - samples.len())]);
    })?;
    let picture = spectrogram(&samples, rate, HEIGHT);
    let cut = if total > samples.len() { ", the beginning" } else { "" };
    Ok(Clip {
        title: shown(file.strip_prefix(dir).unwrap_or(file)),
        note: format!("{:.2} s at {rate} Hz{cut}", total as f64 / f64::from(rate)),
        wav: Some(wav_bytes(&samples, rate)?),
        png: Some(png(picture.width, picture.height, &picture.pixels)?),
        svg: Some(waveform(&samples)),
        text: Vec::new(),
    })
}

/// Adds the scores of a file that `metrics --json` wrote: a table, and the distances as bars.
fn scores(page: &mut Page, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(files::cannot("read", file))?;
    let value: Value =
        serde_json::from_str(&text).context("it is not what `metrics --json` prints")?;
    let sets = value["sets"].as_array().context("it is not what `metrics --json` prints")?;
    const FIGURES: [(&str, &str); 5] = [
        ("fid", "FID (lower is better)"),
        ("is", "IS (higher)"),
        ("mis", "mIS (higher)"),
        ("am", "AM (lower)"),
        ("ndb", "NDB (lower)"),
    ];
    let names = ["set", "sounds"].into_iter().chain(FIGURES.map(|(_, name)| name));
    let names = names.chain(["copied"]).map(str::to_owned).collect();
    let name = |set: &Value| set["name"].as_str().unwrap_or_default().to_owned();
    let figure = |set: &Value, key: &str| serde_json::from_value::<Figure>(set[key].clone());
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for set in sets {
        let mut row = vec![name(set), set["count"].to_string()];
        for (key, _) in FIGURES {
            row.push(figure(set, key).with_context(|| format!("the score {key}"))?.to_string());
        }
        row.push(set["nearest"]["copied"].as_u64().map_or(String::new(), |n| n.to_string()));
        rows.push(row.into_iter().map(Cell::from).collect());
        let Figure { value, interval } = figure(set, "fid")?;
        bars.push(Bar { name: name(set), value, interval: Some(interval) });
    }
    page.add(Part::Heading("Scores".to_owned()));
    page.add(Part::Table(names, rows));
    page.add(Part::Text(
        "With 95 % bootstrap intervals. \u{201c}real\u{201d} is held-out real sound, the best that can be \
         had; \u{201c}noise\u{201d} is as loud as that."
            .to_owned(),
    ));
    let bars =
        Bars { title: "Fréchet distance".to_owned(), label: "lower is better".to_owned(), bars };
    page.add(Part::Figure(bars.to_svg()?));
    Ok(())
}
