//! A real S3 server for tests: it checks signatures, keeps objects as files, and fails as a test asks.
//!
//! `MINIMAX_TEST_FILES=s3 cargo test --test it -- jobs video` runs other tests with it too: every server of the harness then has its
//! results and uploads in a bucket of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "hunter2-hunter2-hunter2";

/// The bucket of a test that starts a server of its own.
pub const BUCKET: &str = "media";

/// How the server answers requests of the chosen methods.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers with this status and code.
    Status(u16, &'static str),
    /// Answers this much later.
    Slow(Duration),
}

#[derive(Default)]
struct State {
    fault: Option<(&'static [&'static str], Fault)>,
    /// The folder and the service of each bucket.
    buckets: BTreeMap<String, (PathBuf, S3Service)>,
}

type Shared = Arc<Mutex<State>>;

/// The server of the tests that run with a bucket because this run is on S3. It has a bucket for each folder of a test, below that folder.
static SHARED: LazyLock<(u16, Shared, oneshot::Sender<()>)> = LazyLock::new(|| {
    let state = Shared::default();
    let (port, stop) = listen(&state);
    (port, state, stop)
});

/// Whether other tests than those about buckets run with one too.
static IS_CHOSEN: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("MINIMAX_TEST_FILES").is_some_and(|files| files == "s3"));

/// The settings for a server whose folders are below `dir`, if this run is on S3.
pub fn chosen(dir: &Path) -> Vec<(&'static str, String)> {
    if !*IS_CHOSEN {
        return Vec::new();
    }
    let (port, state, _) = &*SHARED;
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(dir.as_os_str().as_encoded_bytes()));
    let bucket = format!("t{}", &digest[..24]);
    let mut state = state.lock().unwrap();
    if !state.buckets.contains_key(&bucket) {
        add(&mut state, &bucket, &dir.join("s3"));
    }
    settings_of(*port, &bucket)
}

/// Whether to skip a test of `what`, because this run uses S3.
pub fn leaves_out(what: &str) -> bool {
    if *IS_CHOSEN {
        eprintln!("skipped: it is about {what}");
    }
    *IS_CHOSEN
}

/// The name of a snapshot of this run: with a bucket, a delivery has other points and outcomes.
pub fn snapshot(name: &str) -> String {
    if *IS_CHOSEN { format!("{name}_bucket") } else { name.to_owned() }
}

/// The files of a view without their links, which lead to an object and are signed again each time.
pub fn without_links(view: &Value) -> Value {
    let mut files = view["files"].clone();
    for file in files.as_array_mut().into_iter().flatten() {
        file.as_object_mut().unwrap().remove("download_url");
    }
    files
}

/// Where the content of a result's file is on this disk: at its path, or, for an address `s3://…`, where the server keeps its objects.
pub fn place(path: &Value) -> PathBuf {
    let path = path.as_str().unwrap_or_else(|| panic!("no path: {path}"));
    match path.strip_prefix("s3://").and_then(|address| address.split_once('/')) {
        Some((bucket, key)) => SHARED.1.lock().unwrap().buckets[bucket].0.join(key),
        None => path.into(),
    }
}

/// The content of a result's file, from the folder or the bucket.
pub fn content(path: &Value) -> Vec<u8> {
    std::fs::read(place(path)).unwrap()
}

/// The results of the servers whose folder for results is `out`: its files, or the objects of the bucket.
pub fn results(out: &Path) -> Vec<PathBuf> {
    if *IS_CHOSEN {
        let (_, address) = chosen(out.parent().unwrap()).swap_remove(0);
        let bucket = address.split('/').nth(2).unwrap().to_owned();
        return below(&SHARED.1.lock().unwrap().buckets[&bucket].0.join("results"));
    }
    std::fs::read_dir(out).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// All files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Makes a bucket below `root`.
fn add(state: &mut State, bucket: &str, root: &Path) {
    let folder = root.join(bucket);
    std::fs::create_dir_all(&folder).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    service.set_auth(SimpleAuth::from_single(KEY, SECRET));
    state.buckets.insert(bucket.to_owned(), (folder, service.build()));
}

fn settings_of(port: u16, bucket: &str) -> Vec<(&'static str, String)> {
    vec![
        ("MINIMAX_FILES_URL", format!("s3://{bucket}/results?endpoint=http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ]
}

/// A server with a folder and a bucket of its own.
pub struct S3 {
    port: u16,
    dir: TempDir,
    state: Shared,
    /// Dropping it ends the server.
    _stop: oneshot::Sender<()>,
}

impl S3 {
    pub fn start() -> Self {
        let (dir, state) = (tempfile::tempdir().unwrap(), Shared::default());
        add(&mut state.lock().unwrap(), BUCKET, dir.path());
        let (port, stop) = listen(&state);
        Self { port, dir, state, _stop: stop }
    }

    /// The settings of a server that keeps its files here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        settings_of(self.port, BUCKET)
    }

    /// From now on, requests of these methods fail.
    pub fn fail(&self, methods: &'static [&'static str], fault: Fault) {
        self.state.lock().unwrap().fault = Some((methods, fault));
    }

    /// From now on, everything works.
    pub fn mend(&self) {
        self.state.lock().unwrap().fault = None;
    }

    /// The objects of the bucket by key.
    pub fn objects(&self) -> BTreeMap<String, PathBuf> {
        let root = self.dir.path().join(BUCKET);
        let key = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        below(&root).into_iter().map(|path| (key(&path), path)).collect()
    }

    /// The content of the object that a view calls `s3://…`.
    pub fn object(&self, url: &str) -> Vec<u8> {
        let key = url.strip_prefix(&format!("s3://{BUCKET}/")).unwrap();
        std::fs::read(self.dir.path().join(BUCKET).join(key)).unwrap()
    }

    /// The files of uploads that are neither complete nor aborted.
    pub fn unfinished(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload")).collect()
    }

    /// Forgets all uploads that are not complete. The server answers 403 to requests for them. Returns how many files they had.
    pub fn lose_uploads(&self) -> usize {
        let files = self.unfinished();
        for name in &files {
            std::fs::remove_file(self.dir.path().join(name)).unwrap();
        }
        files.len()
    }
}

/// Starts a server in a thread. It ends when the returned sender is dropped.
fn listen(state: &Shared) -> (u16, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel();
    let (said, port) = std::sync::mpsc::channel();
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            said.send(listener.local_addr().unwrap().port()).unwrap();
            tokio::select! {
                () = serve(listener, state) => {}
                _ = stopped => {}
            }
        });
    });
    (port.recv().unwrap(), stop)
}

async fn serve(listener: TcpListener, state: Shared) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        let answering = service_fn(move |request: hyper::Request<Incoming>| {
            let state = Arc::clone(&state);
            async move {
                let method = request.method().as_str().to_owned();
                let bucket = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
                let (fault, service) = {
                    let state = state.lock().unwrap();
                    let fault = state.fault.clone().filter(|(methods, _)| methods.contains(&method.as_str()));
                    (fault, state.buckets.get(&bucket).map(|(_, service)| service.clone()))
                };
                let refusal = |status: u16, code: &str| {
                    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
                    hyper::Response::builder().status(status).body(s3s::Body::from(body)).unwrap()
                };
                match fault {
                    Some((_, Fault::Status(status, code))) => return Ok(refusal(status, code)),
                    Some((_, Fault::Slow(pause))) => tokio::time::sleep(pause).await,
                    None => {}
                }
                let Some(service) = service else { return Ok(refusal(404, "NoSuchBucket")) };
                hyper::service::Service::call(&service, request).await
            }
        });
        tokio::task::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answering).await;
        });
    }
}
