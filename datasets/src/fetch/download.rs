//! One file over HTTP, from where the last attempt stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, bail, ensure};
use indicatif::HumanBytes;
use program::{files, interrupt};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// How a transfer, or what follows it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is there.
    Complete,
    /// The user interrupted; the next call goes on.
    Interrupted,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Bytes in the file.
    pub done: u64,
    /// Bytes that it will have, if the server says so.
    pub total: Option<u64>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that sends nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How often the user's wish to stop is looked at while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const CHUNK: usize = 1 << 16;

/// Brings the file at `url` to `part`, from the bytes on that are there; its folder is made if need
/// be. `size` is what it is known to have; `on_bytes` is called with how far it is.
///
/// # Errors
/// If the address cannot be reached, does not have the file, has another one, or breaks off again
/// and again; if the disk takes no more. What came is kept.
pub fn download(
    url: &str,
    part: &Path,
    size: Option<u64>,
    on_bytes: &mut dyn FnMut(Position),
) -> Result<Outcome> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(SILENCE))
        .build()
        .into();
    let mut restarted = false;
    loop {
        let before = length(part)?;
        if before > 0 && size == Some(before) {
            return Ok(Outcome::Complete);
        }
        let broken = match attempt(&agent, url, part, before, size, on_bytes)? {
            Attempt::Ended(outcome) => return Ok(outcome),
            Attempt::Restart => {
                ensure!(
                    !restarted,
                    "{url} is served in a way that makes no sense; try again later"
                );
                restarted = true;
                files::remove(part)?;
                continue;
            }
            Attempt::Broken(error) => error,
        };
        // A transfer that came forward is taken up again at once.
        let after = length(part)?;
        ensure!(
            after > before,
            "the transfer from {url} broke off after {}: {broken:#}. What came is kept: the same \
             command goes on from there",
            HumanBytes(after)
        );
    }
}

/// How one request ended.
enum Attempt {
    Ended(Outcome),
    /// What is in the file is no beginning of what the server has.
    Restart,
    /// The connection broke.
    Broken(Error),
}

fn attempt(
    agent: &Agent,
    url: &str,
    part: &Path,
    have: u64,
    size: Option<u64>,
    on_bytes: &mut dyn FnMut(Position),
) -> Result<Attempt> {
    // As it is: a .gz file must not be unpacked on its way.
    let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let response = match request.call() {
        Ok(response) => response,
        Err(error) if have > 0 => return Ok(Attempt::Broken(error.into())),
        Err(error) => bail!(
            "cannot fetch {url}: {error}; check the connection (HTTPS_PROXY names a proxy), or \
             name another copy with --mirror URL"
        ),
    };
    let (start, total) = match response.status() {
        StatusCode::OK => (0, content_length(&response)),
        StatusCode::PARTIAL_CONTENT => match content_range(&response) {
            Some((start, total)) if start == have => (start, total),
            _ => return Ok(Attempt::Restart),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
            return Ok(match content_range(&response) {
                Some((_, Some(total))) if total == have => Attempt::Ended(Outcome::Complete),
                _ => Attempt::Restart,
            });
        }
        status => bail!(refusal(url, status)),
    };
    if let (Some(published), Some(offered)) = (size, total) {
        ensure!(
            published == offered,
            "{url} has {offered} bytes where the official file has {published}: it is another \
             file; name another copy with --mirror URL"
        );
    }
    let total = total.or(size);
    make_room(part, total.map_or(0, |total| total.saturating_sub(start)))?;
    let file = open(part, start).map_err(files::cannot("write", part))?;
    receive(response, file, part, Position { done: start, total }, on_bytes)
}

/// Writes the body of `response` to `file`.
fn receive(
    response: Response<Body>,
    mut file: File,
    part: &Path,
    mut at: Position,
    on_bytes: &mut dyn FnMut(Position),
) -> Result<Attempt> {
    let chunks = read_aside(response);
    let mut last = Instant::now();
    loop {
        if interrupt::requested() {
            return Ok(Attempt::Ended(Outcome::Interrupted));
        }
        match chunks.recv_timeout(LOOK_EVERY) {
            Ok(Ok(chunk)) => {
                file.write_all(&chunk).map_err(files::cannot_write(part, missing(at)))?;
                at.done += chunk.len() as u64;
                last = Instant::now();
                on_bytes(at);
            }
            Ok(Err(error)) => return Ok(Attempt::Broken(error.into())),
            Err(RecvTimeoutError::Timeout) if last.elapsed() < SILENCE => {}
            Err(RecvTimeoutError::Timeout) => {
                return Ok(Attempt::Broken(anyhow!("nothing came for {} s", SILENCE.as_secs())));
            }
            // The end of the body.
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    file.sync_all().map_err(files::cannot_write(part, missing(at)))?;
    Ok(match at.total {
        Some(total) if at.done < total => {
            Attempt::Broken(anyhow!("{} of {} came", HumanBytes(at.done), HumanBytes(total)))
        }
        _ => Attempt::Ended(Outcome::Complete),
    })
}

/// Reads the body on a thread of its own, so that a server that says nothing does not keep the
/// program from ending.
fn read_aside(response: Response<Body>) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(64);
    thread::spawn(move || {
        let mut body = response.into_body().into_reader();
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = match body.read(&mut chunk) {
                Ok(0) => return,
                Ok(read) => {
                    chunk.truncate(read);
                    Ok(chunk)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = read.is_err();
            // Nobody listens any more: the transfer was given up.
            if sender.send(read).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

fn missing(at: Position) -> u64 {
    at.total.map_or(0, |total| total.saturating_sub(at.done))
}

/// The file, cut to its first `start` bytes, to be written on.
fn open(part: &Path, start: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).open(part)?;
    file.set_len(start)?;
    Ok(file)
}

fn length(part: &Path) -> Result<u64> {
    match fs::metadata(part) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(files::cannot("read", part)(error)),
    }
}

/// The folder for `part`, on a disk that takes `needed` bytes.
fn make_room(part: &Path, needed: u64) -> Result<()> {
    let folder = part.parent().unwrap_or(Path::new("."));
    files::create_folder(folder)?;
    match files::free_space(folder) {
        Some(free) if free < needed => {
            Err(files::cannot_write(part, needed)(ErrorKind::StorageFull.into()))
        }
        _ => Ok(()),
    }
}

fn content_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// First byte and size of the whole: of `bytes 100-199/200`, `bytes */200` or `bytes 0-9/*`.
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    parse_range(response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?)
}

fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = match range {
        "*" => 0,
        range => range.split_once('-')?.0.parse().ok()?,
    };
    Some((start, total.parse().ok()))
}

fn refusal(url: &str, status: StatusCode) -> String {
    let what = match status.as_u16() {
        404 | 410 => "the file is not there any more".to_owned(),
        401 | 403 => "the server does not give it out any more".to_owned(),
        429 => "the server wants a pause: try again later".to_owned(),
        500..=599 => "the server has a fault: try again later".to_owned(),
        _ => "that is no file".to_owned(),
    };
    format!(
        "{url} answers {status}: {what}. If you have another copy, put it into the folder under the \
         same name, or give its address with --mirror URL"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(parse_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(parse_range("bytes 0-9/*"), Some((0, None)));
        assert_eq!(parse_range("bytes */200"), Some((0, Some(200))));
        for wrong in ["", "bytes", "items 0-9/10", "bytes x-9/10", "bytes 5"] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }
}
