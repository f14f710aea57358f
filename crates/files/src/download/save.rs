//! Saves bytes as files: complete, of the expected type and under the final name, or not at all.

use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::task::spawn_blocking;

use crate::download::folder::prepare_delivery;
use crate::download::link::{self, FetchProblem};
use crate::download::partial_file::PartialFile;
use crate::download::writer::{self, FileWriter};
use crate::download::writer::{Expect, Saved, Target, check_name, check_size, judge};

/// Saves bytes in memory as a file in `folder`, which must exist (see [`crate::download::prepare`]). Never overwrites a
/// file; see [`crate::download::download()`].
pub async fn save(
    bytes: Bytes,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem> {
    let target = target(&bytes, folder, name, expect)?;
    let saving = spawn_blocking(move || writer::save(&bytes, &target));
    saving.await.map_err(|error| writer::stopped(&error))?
}

/// Like [`save`], but creates the folder if it is missing. Blocks.
pub fn save_now(bytes: &[u8], folder: &Path, name: &str, expect: &Expect<'_>) -> Result<Saved, FetchProblem> {
    prepare_delivery(folder).map_err(|problem| FetchProblem::Disk(problem.to_string()))?;
    writer::save(bytes, &target(bytes, folder, name, expect)?)
}

fn target(bytes: &[u8], folder: &Path, name: &str, expect: &Expect<'_>) -> Result<Target, FetchProblem> {
    check_name(name)?;
    check_size(bytes.len() as u64, expect)?;
    if bytes.is_empty() {
        return Err(FetchProblem::transient("the response was empty"));
    }
    let found = judge(bytes, expect)?;
    Ok(Target::of(folder, name, found, expect))
}

/// Like [`save`], for a stream of bytes from elsewhere. An error in the stream ends it and leaves no file.
pub async fn save_stream<S>(
    chunks: S,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    receive(chunks, None, folder, name, expect).await
}

/// Like [`save_stream`], but keeps the bytes of a broken stream under the name `cut`. The second value is the error
/// that broke it.
pub async fn save_what_comes<S>(
    chunks: S,
    folder: &Path,
    name: &str,
    cut: &str,
    expect: &Expect<'_>,
) -> Result<(Saved, Option<FetchProblem>), FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    take(chunks, None, folder, name, Some(cut), expect).await
}

pub(crate) async fn receive<S>(
    chunks: S,
    length: Option<u64>,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    Ok(take(chunks, length, folder, name, None, expect).await?.0)
}

/// Saves a stream. If it breaks, the bytes so far are kept under the name `cut`, or not at all if that is `None`.
async fn take<S>(
    chunks: S,
    length: Option<u64>,
    folder: &Path,
    name: &str,
    cut: Option<&str>,
    expect: &Expect<'_>,
) -> Result<(Saved, Option<FetchProblem>), FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    check_name(name)?;
    check_name(cut.unwrap_or(name))?;
    check_size(length.unwrap_or_default(), expect)?;
    let mut chunks = pin!(chunks);
    let head = link::read_head(&mut chunks).await?;
    let found = judge(&head, expect)?;
    let mut writer = begin(folder).await?;
    let mut whole = stream::iter([Ok(head)]).chain(chunks);
    let (name, broken) = match (writer.feed(&mut whole, &mut 0, length, expect).await, cut) {
        (Ok(()), _) => (name, None),
        (Err(problem @ FetchProblem::Transient { .. }), Some(cut)) => (cut, Some(problem)),
        (Err(problem), _) => {
            writer.abandon().await;
            return Err(problem);
        }
    };
    let target = Target::of(folder, name, found, expect);
    Ok((writer::settle(writer.finish().await?, target).await?, broken))
}

/// Starts a file that cannot be resumed.
async fn begin(folder: &Path) -> Result<FileWriter, FetchProblem> {
    let home = folder.to_owned();
    let part =
        spawn_blocking(move || PartialFile::unnamed(&home)).await.map_err(|error| writer::stopped(&error))?;
    Ok(FileWriter::start(folder, part.map_err(|error| writer::disk(folder, &error))?))
}
