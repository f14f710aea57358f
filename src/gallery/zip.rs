//! The files of several jobs as one ZIP, written while it is sent.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Extension, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use rawzip::ZipArchiveWriter;
use tokio::sync::mpsc;

use super::form::Form;
use super::page::problem;
use super::visitor::Visitor;
use crate::jobs::OnDisk;
use crate::mcp::Server;

/// The most jobs of one ZIP.
const MOST_JOBS: usize = 200;

/// The most pieces that wait to be sent.
const PIECES: usize = 4;

/// `GET /gallery/zip?job=…&job=…`
pub(super) async fn download(Extension(visitor): Extension<Visitor>, RawQuery(query): RawQuery) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    let mut files = Vec::new();
    for id in query.all("job").take(MOST_JOBS) {
        if let Ok(Some(job)) = visitor.server.jobs().get(visitor.principal(), id).await {
            files.extend(job.files.into_iter().filter_map(|file| Some((job.id.clone(), file.saved?))));
        }
    }
    if files.is_empty() {
        let title = visitor.say("Nothing is selected", "未选择内容");
        let text = visitor.say("Select jobs that have files, and try again.", "请选择有文件的任务后重试。");
        return problem(&visitor, StatusCode::BAD_REQUEST, title, text);
    }
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    let server = visitor.server.clone();
    visitor.server.jobs().until_stopped(async move {
        if let Err(error) = write(&server, files, &sender).await {
            // The error makes the download fail in the browser.
            let _ = sender.send(Err(error)).await;
        }
    });
    let body = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"minimax.zip\""),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// The bytes that the ZIP's writer has written and that are not sent yet.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the unchanged files. They are media, so they are not compressed again.
async fn write(
    server: &Server,
    files: Vec<(String, OnDisk)>,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let written = Written::default();
    let send = async |written: &Written| {
        sender.send(Ok(written.take())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    };
    let mut zip = ZipArchiveWriter::new(written.clone());
    let mut names = BTreeSet::new();
    for (job, record) in files {
        let Ok(content) = server.intact(&record).await else { continue };
        let on_disk = record.path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let name = if names.contains(on_disk) {
            format!("{job}-{}-{on_disk}", names.len())
        } else {
            on_disk.to_owned()
        };
        let (mut entry, config) = zip.new_file(name.as_str()).start().map_err(io::Error::other)?;
        let mut writer = config.wrap(&mut entry);
        let mut pieces = std::pin::pin!(content.chunks());
        while let Some(piece) = pieces.try_next().await? {
            writer.write_all(&piece)?;
            send(&written).await?;
        }
        let (_, output) = writer.finish().map_err(io::Error::other)?;
        entry.finish(output).map_err(io::Error::other)?;
        names.insert(name);
    }
    zip.finish().map_err(io::Error::other)?;
    send(&written).await
}
