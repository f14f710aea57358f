//! A real S3 server for tests: it checks signatures, keeps objects as files, and fails as a test asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "hunter2-hunter2-hunter2";

/// The bucket of every test.
pub const BUCKET: &str = "media";

/// What the server does with requests of some methods.
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
}

/// A server with a folder and a bucket of its own.
pub struct S3 {
    port: u16,
    dir: TempDir,
    state: Arc<Mutex<State>>,
    /// Dropping it ends the server.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl S3 {
    /// Starts a server in a thread of its own.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (said, port) = std::sync::mpsc::channel();
        let state = Arc::<Mutex<State>>::default();
        let (root, shared) = (dir.path().to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                said.send(listener.local_addr().unwrap().port()).unwrap();
                tokio::select! {
                    () = serve(listener, &root, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port: port.recv().unwrap(), dir, state, _stop: stop }
    }

    /// The settings of a server that keeps its files here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let url = format!("s3://{BUCKET}/results?endpoint=http://127.0.0.1:{}", self.port);
        vec![
            ("MINIMAX_FILES_URL", url),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
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
        let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), path);
                }
            }
        }
        found
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
}

async fn serve(listener: TcpListener, root: &Path, state: Arc<Mutex<State>>) {
    let service = {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        builder.build()
    };
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (service, state) = (service.clone(), Arc::clone(&state));
        let answering = service_fn(move |request: hyper::Request<Incoming>| {
            let (service, state) = (service.clone(), Arc::clone(&state));
            async move {
                let method = request.method().as_str().to_owned();
                let fault = {
                    let state = state.lock().unwrap();
                    state.fault.clone().filter(|(methods, _)| methods.contains(&method.as_str()))
                };
                match fault {
                    Some((_, Fault::Status(status, code))) => {
                        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
                        let response = hyper::Response::builder().status(status);
                        return Ok(response.body(s3s::Body::from(body)).unwrap());
                    }
                    Some((_, Fault::Slow(pause))) => tokio::time::sleep(pause).await,
                    None => {}
                }
                hyper::service::Service::call(&service, request).await
            }
        });
        tokio::task::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answering).await;
        });
    }
}
