//! A local server to download from, and a home folder to read from.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segment, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use minimax_mcp::download::{Expect, FetchProblem, Guard, Saved, download};
use minimax_mcp::media::{Blob, InputProblem, Kind, Limits, Roots, load};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) const IMAGES: Limits = Limits {
    min_edge: Some(256),
    max_edge: Some(5760),
    ratio: Some((0.4, 2.5)),
    ..Limits::new(&["image/jpeg", "image/png", "image/webp"], 1_000_000)
};
pub(super) const PICTURE: Expect<'_> =
    Expect { kind: Some(Kind::Image), max_bytes: 10_000_000, extension: "png" };

#[derive(Default)]
pub(super) struct Shelf {
    pub(super) answers: Mutex<Vec<(String, Answer)>>,
    pub(super) seen: Mutex<Vec<(String, HeaderMap)>>,
}

#[derive(Clone)]
pub(super) enum Answer {
    File(Vec<u8>),
    Chunked(Vec<u8>),
    Status(StatusCode, &'static [(&'static str, &'static str)]),
    Short(Vec<u8>),
    Declares(u64),
    Stalls(Vec<u8>),
}

pub(super) struct World {
    pub(super) shelf: Arc<Shelf>,
    pub(super) address: SocketAddr,
    pub(super) guard: Guard,
    pub(super) client: reqwest::Client,
    pub(super) folder: TempDir,
    stop: CancellationToken,
    _tasks: TaskTracker,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (shelf, stop, tasks) = (Arc::new(Shelf::default()), CancellationToken::new(), TaskTracker::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{*name}", get(answer)).with_state(Arc::clone(&shelf));
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tasks.spawn(async move { serving.await.unwrap() });
        let guard = Guard { loopback_http: true, ..Guard::default() };
        let client = guard.client().unwrap();
        Self { shelf, address, guard, client, folder: tempfile::tempdir().unwrap(), stop, _tasks: tasks }
    }

    pub(super) fn offer(&self, name: &str, answer: Answer) -> String {
        self.shelf.answers.lock().unwrap().push((name.to_owned(), answer));
        self.link(name)
    }

    pub(super) fn link(&self, name: &str) -> String {
        format!("http://{}/{name}?signature=s3cret", self.address)
    }

    pub(super) async fn download(
        &self,
        url: &str,
        name: &str,
        expect: Expect<'_>,
    ) -> Result<Saved, FetchProblem> {
        download(&self.client, &self.guard, url, self.folder.path(), name, &expect, None).await
    }

    /// The names in the folder, hidden ones included.
    pub(super) fn names(&self) -> BTreeSet<String> {
        names(self.folder.path())
    }
}

pub(super) fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn answer(
    State(shelf): State<Arc<Shelf>>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
) -> Response {
    shelf.seen.lock().unwrap().push((name.clone(), headers));
    let answers = shelf.answers.lock().unwrap();
    let Some((_, answer)) = answers.iter().rev().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let piece = |bytes: Vec<u8>| Ok::<_, std::io::Error>(Bytes::from(bytes));
    match answer.clone() {
        Answer::File(bytes) => bytes.into_response(),
        Answer::Chunked(bytes) => {
            let (first, rest) = bytes.split_at(bytes.len() / 2);
            Body::from_stream(stream::iter([piece(first.to_vec()), piece(rest.to_vec())])).into_response()
        }
        Answer::Status(status, headers) => {
            let mut response = status.into_response();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        }
        Answer::Short(bytes) => {
            let length = (bytes.len() * 2).to_string();
            ([(header::CONTENT_LENGTH, length)], Body::from_stream(stream::iter([piece(bytes)])))
                .into_response()
        }
        Answer::Declares(length) => {
            let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
            ([(header::CONTENT_LENGTH, length.to_string())], body).into_response()
        }
        Answer::Stalls(bytes) => {
            Body::from_stream(stream::iter([piece(bytes)]).chain(stream::pending())).into_response()
        }
    }
}

pub(super) fn wrong(result: Result<Saved, FetchProblem>) -> String {
    match result {
        Err(problem @ (FetchProblem::Wrong(_) | FetchProblem::Page | FetchProblem::Private(_))) => {
            problem.to_string()
        }
        other => panic!("not refused as wrong: {other:?}"),
    }
}

/// A home folder with a few files. Only `allowed` may be read.
pub(super) struct House {
    _all: TempDir,
    pub(super) allowed: PathBuf,
    pub(super) secret: PathBuf,
    pub(super) roots: Roots,
}

impl House {
    pub(super) fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        let home = dunce::canonicalize(all.path()).unwrap();
        let (allowed, secret) = (home.join("Pictures"), home.join("private"));
        fs::create_dir(&allowed).unwrap();
        fs::create_dir(&secret).unwrap();
        let roots = Roots::new(&home.join("results"), Some(&home), &[]);
        Self { _all: all, allowed, secret, roots }
    }

    /// The house, once with a media folder and once with a folder that the client has open.
    pub(super) fn each() -> [Self; 2] {
        let house = Self::new();
        let home = house.allowed.parent().unwrap();
        let allowed = home.join("code");
        fs::create_dir(&allowed).unwrap();
        let roots = Roots::new(&home.join("results"), Some(home), &[]);
        fs::remove_dir(&house.allowed).unwrap();
        roots.open_in_client(&[url::Url::from_file_path(&allowed).unwrap().into()]);
        [Self::new(), Self { allowed, roots, ..house }]
    }

    pub(super) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.allowed.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) async fn load(&self, path: &Path) -> Result<Blob, InputProblem> {
        load(path, &self.roots, &IMAGES).await
    }

    pub(super) async fn refusal(&self, path: &Path) -> String {
        self.load(path).await.unwrap_err().to_string()
    }
}
