//! Downloads of results: a broken download resumes, parts of different files are never joined, and no incomplete file
//! is delivered.

pub mod host;
mod jobs;
mod memory;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use minimax_mcp::download::{Expect, FetchProblem, Fetcher, Guard, Saved, prepare};
use minimax_mcp::media::Kind;
use tempfile::TempDir;

use host::{Film, Frame, Host, Parts, Reply};

const MIB: u64 = 1024 * 1024;
/// The bytes that are fetched again to check that the file is the same.
const OVERLAP: u64 = 64 * 1024;
const VIDEO: Expect<'_> = Expect { kind: Some(Kind::Video), max_bytes: 1 << 32, extension: "mp4" };

/// A fetcher like that of a process with one data folder.
fn fetcher() -> Fetcher {
    let fetcher = Fetcher::new(Guard { loopback_http: true, ..Guard::default() });
    fetcher.resume_with([7; 32]);
    fetcher
}

/// A download folder. Each download uses a new fetcher, as in a new process.
struct Here(TempDir);

impl Here {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(tempfile::tempdir().unwrap())
    }

    async fn fetch(&self, url: &str) -> Result<Saved, FetchProblem> {
        let fetcher = fetcher();
        fetcher.download(url, self.0.path(), "film.mp4", &VIDEO, Some("job/film.mp4")).await
    }

    /// The names in the folder, hidden ones included.
    fn names(&self) -> BTreeSet<String> {
        names(self.0.path())
    }

    fn holds(&self, film: Film) {
        assert_eq!(self.names(), BTreeSet::from(["film.mp4".to_owned()]));
        assert!(fs::read(self.0.path().join("film.mp4")).unwrap() == film.bytes(), "other bytes");
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A response that starts correctly and is cut off.
fn cut(film: Film, bytes: u64) -> Reply {
    Reply { cut: Some(bytes), ..Reply::with(film) }
}

fn is_weather(problem: &FetchProblem) -> bool {
    matches!(problem, FetchProblem::Transient { .. })
}

#[tokio::test]
async fn a_connection_that_breaks_is_resumed_where_it_ended() {
    let (here, film) = (Here::new(), Film::new(5 * MIB + 77));
    // It breaks off twice: after two mebibytes, and one and a half later.
    let host = Host::with(vec![cut(film, 2 * MIB), cut(film, 3 * MIB / 2), Reply::with(film)]).await;
    let saved = here.fetch(&host.link("a?sig=1")).await.unwrap();
    here.holds(film);
    assert_eq!((saved.bytes, saved.sha256), (film.length, film.sha256()));
    let starts: Vec<_> = host.seen().iter().map(host::Asked::start).collect();
    let second = 2 * MIB - OVERLAP;
    assert_eq!(starts, [None, Some(second), Some(second + 3 * MIB / 2 - OVERLAP)]);
    assert_eq!(host.seen()[1].if_range.as_deref(), Some("\"one\""));
}

#[tokio::test]
async fn a_download_is_resumed_with_another_link_to_the_same_file() {
    let (here, film) = (Here::new(), Film::new(2 * MIB));
    let date = "Last-Modified: Sat, 01 Aug 2026 00:00:00 GMT\r\n";
    for (tag, condition) in [("ETag: \"one\"\r\n", "\"one\""), (date, "Sat, 01 Aug 2026 00:00:00 GMT")] {
        let first = Reply { tag, ..cut(film, 700_000) };
        let host = Host::with(vec![first, Reply { tag, ..Reply::with(film) }]).await;
        assert!(is_weather(&here.fetch(&host.link("a?sig=1")).await.unwrap_err()));
        assert!(here.names().iter().all(|name| name.starts_with('.')), "{:?}", here.names());
        here.fetch(&host.link("a?sig=2")).await.unwrap();
        here.holds(film);
        let seen = host.seen();
        assert_eq!((seen.len(), seen[1].start()), (2, Some(700_000 - OVERLAP)));
        assert_eq!((seen[1].path.as_str(), seen[1].if_range.as_deref()), ("/a?sig=2", Some(condition)));
        fs::remove_file(here.0.path().join("film.mp4")).unwrap();
    }
}

#[tokio::test]
async fn in_doubt_a_file_is_fetched_again_and_two_files_are_never_joined() {
    let (old, new) = (Film::new(2 * MIB), Film { seed: 9, ..Film::new(2 * MIB) });
    let longer = Film { seed: 9, ..Film::new(2 * MIB + 1) };
    let changed = "ETag: \"two\"\r\n";
    let doubtful = [
        ("another version", Reply { tag: changed, ..Reply::with(new) }),
        ("another version, sent blindly", Reply { tag: changed, parts: Parts::Blindly, ..Reply::with(new) }),
        ("other bytes under the same tag", Reply::with(new)),
        ("another length under the same tag", Reply::with(longer)),
        ("another place", Reply { parts: Parts::Shifted(5), ..Reply::with(new) }),
        ("another length is said", Reply { parts: Parts::Longer(1), ..Reply::with(new) }),
        ("parts are ignored", Reply { parts: Parts::Ignored, ..Reply::with(new) }),
        ("there is no such part", Reply { parts: Parts::Refused(416), ..Reply::with(new) }),
        ("parts are refused", Reply { parts: Parts::Refused(400), ..Reply::with(new) }),
    ];
    for (what, reply) in doubtful {
        let here = Here::new();
        let host = Host::with(vec![cut(old, 900_000), reply.clone()]).await;
        assert!(is_weather(&here.fetch(&host.link("a")).await.unwrap_err()), "{what}");
        here.fetch(&host.link("a")).await.unwrap_or_else(|problem| panic!("{what}: {problem}"));
        here.holds(reply.film);
        assert_eq!(host.seen()[1].start(), Some(900_000 - OVERLAP), "{what}");
    }
}

#[tokio::test]
async fn a_host_without_validators_is_never_asked_for_a_range() {
    let film = Film::new(2 * MIB);
    for tag in ["", "ETag: W/\"one\"\r\n", "ETag: \"one\"\r\nAccept-Ranges: none\r\n"] {
        let here = Here::new();
        let reply = Reply { tag, ..Reply::with(film) };
        let host = Host::with(vec![Reply { cut: Some(900_000), ..reply.clone() }, reply]).await;
        assert!(is_weather(&here.fetch(&host.link("a")).await.unwrap_err()));
        assert_eq!(here.names(), BTreeSet::new(), "nothing to go on with");
        here.fetch(&host.link("a")).await.unwrap();
        here.holds(film);
        assert!(host.seen().iter().all(|asked| asked.range.is_none()));
    }
}

#[tokio::test]
async fn a_download_whose_link_expires_resumes_with_a_new_link() {
    let (here, film) = (Here::new(), Film::new(4 * MIB));
    let host = Host::with(vec![cut(film, 2 * MIB), Reply::status(403), Reply::with(film)]).await;
    let problem = here.fetch(&host.link("a?sig=1")).await.unwrap_err();
    assert!(matches!(problem, FetchProblem::Expired { status: 403 }), "{problem}");
    here.fetch(&host.link("a?sig=2")).await.unwrap();
    here.holds(film);
    let starts: Vec<_> = host.seen().iter().map(host::Asked::start).collect();
    assert_eq!(starts, [None, Some(2 * MIB - OVERLAP), Some(2 * MIB - OVERLAP)]);
}

#[tokio::test]
async fn a_complete_partial_file_is_not_fetched_again() {
    let (here, film) = (Here::new(), Film::new(2 * MIB));
    let host = Host::with(vec![Reply::with(film)]).await;
    // The partial file is complete, as if the folder had vanished just before the rename.
    let host_cut = Host::with(vec![cut(film, film.length - 1), Reply::status(403), Reply::with(film)]).await;
    here.fetch(&host_cut.link("a")).await.unwrap_err();
    here.fetch(&host.link("a")).await.unwrap();
    here.holds(film);
    assert_eq!(host.seen()[0].start(), Some(film.length - 1 - OVERLAP));
}

#[tokio::test]
async fn a_body_that_ends_early_is_noticed_with_every_kind_of_length() {
    let film = Film::new(MIB);
    for frame in [Frame::Length, Frame::Chunked, Frame::Bare] {
        let here = Here::new();
        let reply = Reply { frame, ..Reply::with(film) };
        for at in [MIB - 1, MIB / 2, 5000, 20] {
            let host = Host::with(vec![Reply { cut: Some(at), tag: "", ..reply.clone() }]).await;
            let problem = here.fetch(&host.link("a")).await.unwrap_err();
            // Twenty bytes may be too few to recognize a video.
            assert!(is_weather(&problem) || at == 20, "{frame:?} at {at}: {problem}");
            assert_eq!(here.names(), BTreeSet::new());
        }
        let host = Host::with(vec![reply]).await;
        here.fetch(&host.link("a")).await.unwrap();
        here.holds(film);
    }
}

#[tokio::test]
async fn an_error_of_the_object_store_with_status_200_is_not_a_video() {
    let here = Here::new();
    let host = Host::with(vec![Reply { status: 200, ..Reply::status(200) }]).await;
    let problem = here.fetch(&host.link("a")).await.unwrap_err();
    assert_eq!(problem.to_string(), "the content is a text file instead of a video");
    assert_eq!(here.names(), BTreeSet::new());
}

#[tokio::test]
async fn an_error_page_instead_of_the_rest_damages_nothing() {
    let (here, film) = (Here::new(), Film::new(2 * MIB));
    let host =
        Host::with(vec![cut(film, MIB / 2), Reply::status(200), cut(film, MIB), Reply::with(film)]).await;
    assert!(is_weather(&here.fetch(&host.link("a")).await.unwrap_err()));
    assert!(matches!(here.fetch(&host.link("a")).await.unwrap_err(), FetchProblem::Wrong(_)));
    assert_eq!(here.names(), BTreeSet::new(), "what is not what it was is not kept");
    here.fetch(&host.link("a")).await.unwrap();
    here.holds(film);
}

#[tokio::test]
async fn a_file_that_does_not_fit_on_the_disk_is_not_begun() {
    let here = Here::new();
    let host = Host::with(vec![cut(Film::new(1 << 60), 1000)]).await;
    let fetcher = fetcher();
    let expect = Expect { max_bytes: u64::MAX, ..VIDEO };
    let problem = fetcher.download(&host.link("a"), here.0.path(), "film.mp4", &expect, Some("k")).await;
    let problem = problem.unwrap_err();
    assert!(matches!(&problem, FetchProblem::Disk(why) if why.contains("is free in")), "{problem}");
    assert_eq!(here.names(), BTreeSet::new());
}

#[tokio::test]
async fn the_broken_download_of_an_archive_is_resumed_too() {
    let (here, film) = (Here::new(), Film::new(2 * MIB));
    let host = Host::with(vec![cut(film, 700_000), Reply::with(film)]).await;
    let fetch = async || {
        let fetcher = fetcher();
        fetcher.fetch_aside(&host.link("a"), here.0.path(), 1 << 32, "job/speech.tar").await
    };
    assert!(is_weather(&fetch().await.unwrap_err()));
    let aside = fetch().await.unwrap();
    assert_eq!(host.seen()[1].start(), Some(700_000 - OVERLAP));
    assert!(fs::read(aside.path()).unwrap() == film.bytes());
    assert_eq!(here.names().len(), 1, "hidden, and gone with the archive");
    drop(aside);
    assert_eq!(here.names(), BTreeSet::new());
}

#[tokio::test]
async fn two_concurrent_downloads_of_one_result_do_not_write_into_one_file() {
    let (here, film) = (Here::new(), Film::new(2 * MIB));
    let slow = Reply { pause: Duration::from_millis(50), ..Reply::with(film) };
    let host = Host::with(vec![slow, Reply::with(film)]).await;
    let link = host.link("a");
    let (one, other) = futures_util::future::join(here.fetch(&link), here.fetch(&link)).await;
    assert_eq!(one.unwrap(), other.unwrap());
    here.holds(film);
}

#[tokio::test]
async fn a_folder_that_is_removed_during_a_download_is_reported_and_the_next_try_creates_it() {
    let (here, film) = (Here::new(), Film::new(MIB));
    let slow = Reply { pause: Duration::from_millis(40), ..Reply::with(film) };
    let host = Host::with(vec![slow, Reply::with(film)]).await;
    let folder = here.0.path().to_owned();
    let (fetched, ()) = futures_util::future::join(here.fetch(&host.link("a")), async {
        while names(&folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fs::remove_dir_all(&folder).unwrap();
    })
    .await;
    let problem = fetched.unwrap_err();
    assert!(matches!(&problem, FetchProblem::Disk(why) if why.contains("no longer exists")), "{problem}");
    prepare(&folder).await.unwrap();
    here.fetch(&host.link("a")).await.unwrap();
    here.holds(film);
}

#[tokio::test]
async fn a_partial_file_that_was_not_resumed_for_a_day_is_removed() {
    let (here, film) = (Here::new(), Film::new(2 * MIB));
    let host = Host::with(vec![cut(film, 700_000)]).await;
    here.fetch(&host.link("a")).await.unwrap_err();
    prepare(here.0.path()).await.unwrap();
    assert_eq!(here.names().len(), 2, "the part and its notes");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(25 * 3600);
    for name in here.names() {
        let file = fs::OpenOptions::new().write(true).open(here.0.path().join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    prepare(here.0.path()).await.unwrap();
    assert_eq!(here.names(), BTreeSet::new());
}
