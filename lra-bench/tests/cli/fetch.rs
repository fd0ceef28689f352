//! Fetching, against a server on this machine that behaves in all the ways servers do.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use datasets::fetch::checksum::Checksum;
use datasets::fetch::download::Outcome;
use datasets::fetch::{Archive, Packing, Request, fetch};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::binary::{fail, succeed};

/// A request as it came: its path and where it wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    path: String,
    from: Option<usize>,
}

/// A server that answers each request by `answer`, on a thread that ends with the tests.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn new(answer: impl Fn(&Asked, usize, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&stream) else { continue };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    log.len()
                };
                answer(&request, number, &mut stream);
            }
        });
        Self { address, asked }
    }

    /// A server with one file that knows ranges.
    fn of(content: Vec<u8>) -> Self {
        Self::new(move |asked, _, stream| send(stream, &content, asked.from, usize::MAX))
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut from = None;
    for line in lines {
        let line = line.ok()?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().ok();
        }
    }
    Some(Asked { path, from })
}

/// Sends `content` from `from` on, but only its first `limit` bytes: then the connection ends.
fn send(stream: &mut TcpStream, content: &[u8], from: Option<usize>, limit: usize) {
    let size = content.len();
    let head = match from {
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n"),
        Some(from) if from >= size => format!(
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n"
        ),
        Some(from) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{size}\r\nContent-Length: {}\r\n",
            size - 1,
            size - from
        ),
    };
    let body = &content[from.unwrap_or(0).min(size)..];
    let _ = write!(stream, "{head}Connection: close\r\n\r\n");
    let _ = stream.write_all(&body[..limit.min(body.len())]);
}

fn status(stream: &mut TcpStream, line: &str, headers: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A .tar.gz of these files. Names go in as they are, also wicked ones.
fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

/// What the release of the Long Range Arena looks like, as far as ListOps goes, with some bulk.
fn listops_release() -> Vec<u8> {
    let rows = b"Source\tTarget\r\n( ( ( [MAX 1 ) 2 ) ] )\t2\r\n";
    let mut noise = 1u64;
    let bulk: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    })
    .take(300_000)
    .collect();
    tar_gz(&[
        ("lra_release/listops-1000/basic_train.tsv", rows),
        ("lra_release/listops-1000/basic_val.tsv", rows),
        ("lra_release/listops-1000/basic_test.tsv", rows),
        ("lra_release/bulk", &bulk),
    ])
}

/// The program in `folder`, which asks servers itself.
fn lra_bench(folder: &Path) -> Command {
    let mut command = crate::binary::lra_bench(folder);
    for proxy in
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        command.env_remove(proxy);
    }
    command
}

/// `fetch-data listops` from `server`: an archive without a published size or checksum.
fn fetch_listops(folder: &Path, server: &Server) -> Command {
    let mut command = lra_bench(folder);
    command.args(["fetch-data", "listops", "--data", "data", "--mirror", &server.address]);
    command
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_archive_is_fetched_unpacked_and_not_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of(listops_release());
    let (_, told) = succeed(&mut fetch_listops(folder.path(), &server));
    assert!(told.contains("no size or checksum is published"), "{told}");
    let data = folder.path().join("data");
    assert_eq!(names_in(&data), ["lra_release"], "no archive, no part of one");
    assert!(data.join("lra_release/listops-1000/basic_val.tsv").is_file());
    let (_, told) = succeed(&mut fetch_listops(folder.path(), &server));
    assert!(told.contains("already"), "{told}");
    let asked = server.asked();
    assert_eq!(asked, [Asked { path: "/lra_release.gz".to_owned(), from: None }]);
}

#[test]
fn a_transfer_that_breaks_off_is_taken_up_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let release = listops_release();
    let content = release.clone();
    let server = Server::new(move |asked, number, stream| {
        send(stream, &content, asked.from, if number < 3 { 100_000 } else { usize::MAX });
    });
    succeed(&mut fetch_listops(folder.path(), &server));
    let from: Vec<_> = server.asked().iter().map(|asked| asked.from).collect();
    assert_eq!(from, [None, Some(100_000), Some(200_000)]);
    let bulk = fs::read(folder.path().join("data/lra_release/bulk")).unwrap();
    assert_eq!(bulk.len(), 300_000);
}

#[test]
fn a_dead_transfer_is_told_and_the_next_call_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let release = listops_release();
    let content = release.clone();
    let dying = Server::new(move |asked, number, stream| {
        send(stream, &content, asked.from, if number == 1 { 70_000 } else { 0 });
    });
    fail(
        &mut fetch_listops(folder.path(), &dying),
        1,
        &["broke off after", "KiB", "goes on from there"],
    );
    let part = folder.path().join("data/lra_release.gz.part");
    assert_eq!(fs::metadata(part).unwrap().len(), 70_000);
    let healthy = Server::of(release);
    succeed(&mut fetch_listops(folder.path(), &healthy));
    assert_eq!(healthy.asked()[0].from, Some(70_000));
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let release = listops_release();
    fs::create_dir(folder.path().join("data")).unwrap();
    let part = folder.path().join("data/lra_release.gz.part");
    fs::write(&part, &release[..50_000]).unwrap();
    let content = release.clone();
    let server = Server::new(move |_, _, stream| send(stream, &content, None, usize::MAX));
    succeed(&mut fetch_listops(folder.path(), &server));

    // A part that is longer than what the server has is none of it.
    let _ = fs::remove_dir_all(folder.path().join("data/lra_release"));
    fs::write(&part, [release.clone(), vec![0; 10]].concat()).unwrap();
    succeed(&mut fetch_listops(folder.path(), &Server::of(release.clone())));
    // One that is complete needs no more.
    let _ = fs::remove_dir_all(folder.path().join("data/lra_release"));
    fs::write(&part, &release).unwrap();
    succeed(&mut fetch_listops(folder.path(), &Server::of(release)));
}

#[test]
fn redirections_are_followed_but_not_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let release = listops_release();
    let server = Server::new(move |asked, _, stream| match &*asked.path {
        "/elsewhere" => send(stream, &release, asked.from, usize::MAX),
        _ => status(stream, "302 Found", "Location: /elsewhere\r\n"),
    });
    succeed(&mut fetch_listops(folder.path(), &server));
    let folder = tempfile::tempdir().unwrap();
    let circle = Server::new(|_, _, stream| status(stream, "302 Found", "Location: /again\r\n"));
    fail(
        &mut fetch_listops(folder.path(), &circle),
        1,
        &["lra_release.gz", "redirect", "--mirror"],
    );
}

#[test]
fn refusals_and_other_files_are_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (line, word) in [("404 Not Found", "not there any more"), ("403 Forbidden", "give it out")]
    {
        let server = Server::new(move |_, _, stream| status(stream, line, ""));
        fail(&mut fetch_listops(path, &server), 1, &["lra_release.gz", line, word, "--mirror"]);
    }
    let page = Server::of(b"<html>Sign in to this network</html>".to_vec());
    fail(&mut fetch_listops(path, &page), 1, &["lra_release.gz", "no .tar.gz archive"]);
    fs::remove_dir_all(path.join("data")).unwrap();
    let cut = listops_release();
    let cut = Server::of(cut[..cut.len() / 2].to_vec());
    fail(&mut fetch_listops(path, &cut), 1, &["lra_release.gz", "cut off"]);
    assert_eq!(
        names_in(&path.join("data")),
        ["lra_release.gz"],
        "half an archive leaves no folder"
    );
    fs::remove_dir_all(path.join("data")).unwrap();
    let other = Server::of(tar_gz(&[("other/file", b"x")]));
    fail(&mut fetch_listops(path, &other), 1, &["does not hold the folder lra_release", "other"]);

    // Where a size is published, another file is noticed before it is fetched.
    let mut smnist = lra_bench(path);
    smnist.args(["fetch-data", "smnist", "--data", "two", "--mirror", &page.address]);
    fail(&mut smnist, 1, &["train-images-idx3-ubyte.gz", "9912422", "36 bytes"]);
    assert_eq!(names_in(&path.join("two/mnist")).len(), 0);
    let mut nobody = lra_bench(path);
    nobody.args(["fetch-data", "text", "--data", "imdb", "--mirror", "http://127.0.0.1:9"]);
    fail(&mut nobody, 1, &["http://127.0.0.1:9/aclImdb_v1.tar.gz", "check the connection"]);
    assert!(!path.join("imdb").exists());
    let mut wrong = lra_bench(path);
    wrong.args(["fetch-data", "text", "--data", "imdb", "--mirror", "ftp://x"]);
    fail(&mut wrong, 1, &["--mirror", "ftp://x", "http"]);
}

/// With the checksum of "abc" in place of an official one.
fn small(url: &'static str) -> Archive {
    Archive {
        url,
        file: "abc.txt",
        size: Some(3),
        checksum: Some(Checksum::Md5("900150983cd24fb0d6963f7d28e17f72")),
        packing: Packing::Plain { folder: "small" },
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let request = |server: &'static Server| Request {
        dir: folder.path(),
        mirror: Some(&server.address),
        progress: false,
    };
    let wrong: &Server = Box::leak(Box::new(Server::of(b"abd".to_vec())));
    let error = fetch(&small("http://unused"), request(wrong)).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("MD5 900150983cd24fb0d6963f7d28e17f72"), "{message}");
    assert_eq!(names_in(&folder.path().join("small")).len(), 0, "nothing wrong is kept");
    let right: &Server = Box::leak(Box::new(Server::of(b"abc".to_vec())));
    assert_eq!(fetch(&small("http://unused"), request(right)).unwrap(), Outcome::Complete);
    let file = folder.path().join("small/abc.txt");
    assert_eq!(fs::read(&file).unwrap(), b"abc");
    // What is there is compared too.
    fs::write(&file, b"abd").unwrap();
    let error = fetch(&small("http://unused"), request(right)).unwrap_err();
    assert!(error.to_string().contains("move it away"), "{error}");
}

#[test]
fn an_archive_brought_by_hand_is_used_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("lra_release.gz"), listops_release()).unwrap();
    let nobody = Server::new(|_, _, stream| status(stream, "404 Not Found", ""));
    succeed(&mut fetch_listops(folder.path(), &nobody));
    assert_eq!(names_in(&data), ["lra_release", "lra_release.gz"]);
    assert_eq!(nobody.asked(), []);
}

#[test]
fn an_archive_cannot_write_outside_its_folder() {
    let link = {
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "lra_release/link", "/etc").unwrap();
        gzip(&builder.into_inner().unwrap())
    };
    let wicked = [
        (tar_gz(&[("lra_release/a", b"x"), ("../evil", b"x")]), "../evil"),
        (tar_gz(&[("lra_release/../../../evil", b"x")]), "leads out"),
        (tar_gz(&[("/tmp/lra_bench_evil", b"x")]), "/tmp/lra_bench_evil"),
        (link, "lra_release/link"),
    ];
    for (archive, word) in wicked {
        let folder = tempfile::tempdir().unwrap();
        fail(
            &mut fetch_listops(folder.path(), &Server::of(archive)),
            1,
            &["not to be trusted", word],
        );
        assert_eq!(names_in(folder.path()), ["data"]);
        assert_eq!(names_in(&folder.path().join("data")), ["lra_release.gz"]);
        assert!(!Path::new("/tmp/lra_bench_evil").exists());
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_came() {
    let (status, stderr) = end_and_go_on("INT");
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("the same command goes on"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn what_came_before_a_kill_is_kept() {
    let (status, stderr) = end_and_go_on("KILL");
    assert_eq!(status.code(), None, "{stderr}");
}

/// Sends this signal in the middle of a transfer, and lets the next command end it; how the first
/// one ended, and what it said.
#[cfg(unix)]
fn end_and_go_on(signal: &str) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().unwrap();
    let release = listops_release();
    let content = release.clone();
    // Sends a part, and then nothing for as long as anybody listens.
    let slow = Server::new(move |asked, _, stream| {
        send(stream, &content, asked.from, 90_000);
        thread::sleep(Duration::from_secs(3600));
    });
    let mut child = fetch_listops(folder.path(), &slow)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let part = folder.path().join("data/lra_release.gz.part");
    while fs::metadata(&part).map_or(0, |meta| meta.len()) < 90_000 {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        thread::sleep(Duration::from_millis(10));
    }
    // Nobody else may write to it meanwhile.
    let id = child.id().to_string();
    fail(&mut fetch_listops(folder.path(), &slow), 1, &[&format!("another process (id {id})")]);
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(id).status().unwrap();
    assert!(sent.success());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let healthy = Server::of(release);
    succeed(&mut fetch_listops(folder.path(), &healthy));
    assert_eq!(healthy.asked()[0].from, Some(90_000));
    assert_eq!(names_in(&folder.path().join("data")), ["lra_release"]);
    (status, String::from_utf8_lossy(&stderr).into_owned())
}

/// A limit on file sizes stands in for a full disk: the write fails half way all the same.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of(listops_release());
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).env_remove("http_proxy").env_remove("HTTP_PROXY");
    command.args(["-c", "ulimit -f 16; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_lra-bench"));
    command.args(["fetch-data", "listops", "--data", "data", "--mirror", &server.address]);
    fail(&mut command, 1, &["lra_release.gz.part", "cannot write"]);
}
