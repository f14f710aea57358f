//! Reads the bytes of an input and checks them against the limits of an endpoint.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use data_encoding::BASE64;

use crate::media::input::error::InputProblem;
use crate::media::input::handle;
use crate::media::input::roots::Roots;
use crate::media::probe::metadata::{self, Facts};
use crate::media::probe::sniff::{self, Found, HEAD, Kind};
use crate::media::secret_scan::{self, Finding};
use crate::media::units::grouped;

/// The most pixels of an image. No endpoint needs more, and decoding a larger image could exhaust a server's memory.
const PIXELS_MAX: u64 = 250_000_000;

/// The bytes of an input with the facts about them.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    /// The whole file.
    pub bytes: Bytes,
    /// The real MIME type in lower case. `application/octet-stream` if it is not recognised.
    pub mime: &'static str,
    /// The kind of media.
    pub kind: Kind,
    /// The width in pixels, if the header says.
    pub width: Option<u32>,
    /// The height in pixels, if the header says.
    pub height: Option<u32>,
    /// The duration in milliseconds, if the header says.
    pub duration_ms: Option<u64>,
}

/// Omits the bytes, which may be a person's picture or voice.
impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.mime, self.bytes.len())
    }
}

impl Blob {
    /// Recognises and measures bytes in memory.
    pub fn new(bytes: Bytes) -> Self {
        let found = sniff::sniff(&bytes);
        let facts = metadata::measure(Cursor::new(bytes.clone()), found.mime);
        Self::assembled(bytes, found, facts)
    }

    fn assembled(bytes: Bytes, found: Found, facts: Facts) -> Self {
        let found = facts.refine(found);
        let Facts { width, height, duration_ms } = facts;
        Self { bytes, mime: found.mime, kind: found.kind, width, height, duration_ms }
    }

    /// The form in which endpoints accept bytes in JSON: `data:image/png;base64,…` with the real type in lower case.
    /// A third longer than the bytes.
    pub fn data_uri(&self) -> String {
        let mut uri = format!("data:{};base64,", self.mime);
        BASE64.encode_append(&self.bytes, &mut uri);
        uri
    }
}

/// The limits of an endpoint for an input. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The accepted MIME types, as [`sniff::sniff`] names them (`image/jpeg`, `audio/wav`, `text/plain`).
    pub mimes: &'static [&'static str],
    /// The largest size, in bytes.
    pub max_bytes: u64,
    /// The least width and height, in pixels.
    pub min_edge: Option<u32>,
    /// The greatest width and height, in pixels.
    pub max_edge: Option<u32>,
    /// The least and the greatest width / height.
    pub ratio: Option<(f64, f64)>,
    /// The number of which width and height must be multiples.
    pub multiple_of: Option<u32>,
    /// The least and the greatest number of pixels.
    pub area: Option<(u64, u64)>,
    /// The least and the greatest duration in milliseconds. Not checked if the header has no duration.
    pub duration_ms: Option<(u64, u64)>,
}

impl Limits {
    /// Limits of type and size only. Add others by struct update.
    pub const fn new(mimes: &'static [&'static str], max_bytes: u64) -> Self {
        Self {
            mimes,
            max_bytes,
            min_edge: None,
            max_edge: None,
            ratio: None,
            multiple_of: None,
            area: None,
            duration_ms: None,
        }
    }

    pub(crate) fn check_size(&self, bytes: u64) -> Result<(), InputProblem> {
        match bytes {
            0 => Err(InputProblem::NoContent),
            bytes if bytes > self.max_bytes => Err(InputProblem::TooLarge { bytes, limit: self.max_bytes }),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_type(&self, found: &Found) -> Result<(), InputProblem> {
        if self.mimes.contains(&found.mime) {
            return Ok(());
        }
        Err(InputProblem::Type { found: found.described(), allowed: listed(self.mimes) })
    }

    /// Like [`Self::check_type`], but by the head only. An MP4 file passes if audio is accepted, because it may
    /// contain only audio.
    pub(crate) fn check_head(&self, found: &Found) -> Result<(), InputProblem> {
        let may_be_sound = found.mime == "video/mp4" && self.mimes.contains(&"audio/mp4");
        if may_be_sound { Ok(()) } else { self.check_type(found) }
    }

    fn check_facts(&self, kind: Kind, facts: Facts) -> Result<(), InputProblem> {
        match (facts.width, facts.height) {
            (Some(width), Some(height)) => self.check_shape(width, height)?,
            _ if kind == Kind::Image => return Err(InputProblem::Damaged),
            _ => {}
        }
        match (facts.duration_ms, self.duration_ms) {
            (Some(found), Some((least, most))) if found < least || found > most => {
                Err(InputProblem::Measure {
                    measured: format!("is {} s long", seconds(found)),
                    rule: format!("must be {} to {} s", seconds(least), seconds(most)),
                })
            }
            _ => Ok(()),
        }
    }

    fn check_shape(&self, width: u32, height: u32) -> Result<(), InputProblem> {
        let measured = || format!("is {} x {} pixels", grouped(width.into()), grouped(height.into()));
        let broken = |rule| Err(InputProblem::Measure { measured: measured(), rule });
        let (least, most) = (self.min_edge.unwrap_or(1), self.max_edge.unwrap_or(u32::MAX));
        if width.min(height) < least || width.max(height) > most {
            return broken(match self.max_edge {
                Some(most) => {
                    format!("each side must be {} to {}", grouped(least.into()), grouped(most.into()))
                }
                None => format!("each side must be at least {}", grouped(least.into())),
            });
        }
        if let Some(step) =
            self.multiple_of.filter(|step| !(width.is_multiple_of(*step) && height.is_multiple_of(*step)))
        {
            return broken(format!("each side must be a multiple of {step}"));
        }
        let pixels = u64::from(width) * u64::from(height);
        if let Some((least, most)) = self.area.filter(|(least, most)| !(*least..=*most).contains(&pixels)) {
            return broken(format!("must have {} to {} pixels in all", grouped(least), grouped(most)));
        }
        if pixels > PIXELS_MAX {
            return broken(format!("must have at most {} pixels in all", grouped(PIXELS_MAX)));
        }
        let shape = f64::from(width) / f64::from(height);
        match self.ratio {
            Some((least, most)) if shape < least || shape > most => {
                broken(format!("width / height is {shape:.2} and must be {least} to {most}"))
            }
            _ => Ok(()),
        }
    }
}

/// Checks bytes in memory against the limits of an endpoint, and for secrets.
pub async fn check(blob: &Blob, limits: &Limits) -> Result<(), InputProblem> {
    let (blob, limits) = (blob.clone(), *limits);
    let checking = tokio::task::spawn_blocking(move || check_now(&blob, &limits)).await;
    checking.unwrap_or(Err(InputProblem::Damaged))
}

/// Like [`check`], but blocking. Checking several megabytes takes long.
pub fn check_now(blob: &Blob, limits: &Limits) -> Result<(), InputProblem> {
    limits.check_size(blob.bytes.len() as u64)?;
    let Blob { width, height, duration_ms, .. } = *blob;
    let facts = Facts { width, height, duration_ms };
    let found = facts.refine(sniff::sniff(&blob.bytes));
    limits.check_type(&found)?;
    limits.check_facts(blob.kind, facts)?;
    let finding = match check_texts(&blob.bytes, &found)? {
        Some(finding) => Some(finding),
        None if is_searched_whole(&found) => None,
        // Reading from memory cannot fail.
        None => secret_scan::media(&mut Cursor::new(&blob.bytes)).unwrap_or_default(),
    };
    refuse_secret(finding)
}

/// Reads a local file as an input.
///
/// The file must be a regular one and lie in one of `roots` after symbolic links are resolved. It is opened once, and
/// all checks use the open file. Cheap checks of size, type (by content, not by name), dimensions and duration come
/// before the rest is read.
pub async fn load(path: &Path, roots: &Roots, limits: &Limits) -> Result<Blob, InputProblem> {
    let (given, path, roots, limits) = (path.to_owned(), path.to_owned(), roots.clone(), *limits);
    let reading = tokio::task::spawn_blocking(move || load_now(&path, &roots, &limits));
    let stopped = |_| Err(InputProblem::Unreadable { path: given, reason: "the read was stopped".into() });
    reading.await.unwrap_or_else(stopped)
}

/// A checked input whose content is not read yet.
#[derive(Debug)]
pub struct Opened {
    /// The content.
    pub content: Content,
    /// The size in bytes.
    pub bytes: u64,
    /// The real MIME type.
    pub mime: &'static str,
    /// A name with the extension of the real type, for endpoints that judge by it.
    pub name: String,
    /// The duration in milliseconds, if the header says.
    pub duration_ms: Option<u64>,
}

/// The content of an [`Opened`] input.
#[derive(Debug)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// On disk, to be read in pieces.
    Disk(tokio::fs::File),
}

impl Opened {
    /// Wraps an input that is in memory.
    pub fn of(blob: Blob) -> Self {
        let facts = Facts { width: blob.width, height: blob.height, duration_ms: blob.duration_ms };
        let found = facts.refine(sniff::sniff(&blob.bytes));
        let name = format!("input.{}", found.extension("bin"));
        let (bytes, duration_ms) = (blob.bytes.len() as u64, blob.duration_ms);
        Self { content: Content::Memory(blob.bytes), bytes, mime: blob.mime, name, duration_ms }
    }
}

/// Like [`load`], for inputs that are sent in pieces. Keeps the file open instead of reading it into memory, and searches
/// it for secrets.
pub async fn open_input(path: &Path, roots: &Roots, limits: &Limits) -> Result<Opened, InputProblem> {
    let (given, path, roots, limits) = (path.to_owned(), path.to_owned(), roots.clone(), *limits);
    let opening = tokio::task::spawn_blocking(move || {
        let (mut file, bytes, found, facts) = judge(&path, &roots, &limits)?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("input");
        let wanted = path.extension().and_then(|extension| extension.to_str()).unwrap_or("bin");
        let name = format!("{stem}.{}", found.extension(wanted));
        file.seek(SeekFrom::Start(0))
            .map_err(|error| InputProblem::Unreadable { path: path.clone(), reason: error.to_string() })?;
        let content = Content::Disk(tokio::fs::File::from_std(file));
        Ok(Opened { content, bytes, mime: found.mime, name, duration_ms: facts.duration_ms })
    });
    let stopped = |_| Err(InputProblem::Unreadable { path: given, reason: "the read was stopped".into() });
    opening.await.unwrap_or_else(stopped)
}

/// Opens a file once and checks the open file.
fn judge(path: &Path, roots: &Roots, limits: &Limits) -> Result<(File, u64, Found, Facts), InputProblem> {
    let unreadable =
        |error: std::io::Error| InputProblem::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let real = roots.admit(path)?;
    let mut file = open(&real, path, roots)?;
    let size = file.metadata().map_err(unreadable)?.len();
    limits.check_size(size)?;

    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    let found = sniff::sniff(&head);
    limits.check_head(&found)?;
    let facts = metadata::measure(&mut file, found.mime);
    let found = facts.refine(found);
    limits.check_type(&found)?;
    limits.check_facts(found.kind, facts)?;
    check_secrets(&mut file, &found, limits, path)?;
    Ok((file, size, found, facts))
}

/// Refuses a file that contains a secret, and an archive that contains anything but texts. Leaves the position of the
/// file undefined.
pub(crate) fn check_secrets(
    file: &mut File,
    found: &Found,
    limits: &Limits,
    path: &Path,
) -> Result<(), InputProblem> {
    let unreadable =
        |error: std::io::Error| InputProblem::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let finding = if is_searched_whole(found) {
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let mut whole = Vec::new();
        file.by_ref().take(limits.max_bytes).read_to_end(&mut whole).map_err(unreadable)?;
        check_texts(&whole, found)?
    } else {
        secret_scan::media(file).map_err(unreadable)?
    };
    refuse_secret(finding)
}

/// True for texts and archives, which are searched as a whole, because their type says nothing about their content.
fn is_searched_whole(found: &Found) -> bool {
    found.is_text() || found.mime == "application/zip"
}

fn refuse_secret(finding: Option<Finding>) -> Result<(), InputProblem> {
    match finding {
        Some(Finding { rule, what, place }) => Err(InputProblem::Secret { what, rule, place }),
        None => Ok(()),
    }
}

fn check_texts(whole: &[u8], found: &Found) -> Result<Option<Finding>, InputProblem> {
    match found.mime {
        "application/zip" => secret_scan::archive_of_texts(whole).map_err(|found| InputProblem::Type {
            found,
            allowed: "a ZIP file with only .txt files or only .json files".to_owned(),
        }),
        _ if found.is_text() => Ok(secret_scan::text(whole)),
        _ => Ok(None),
    }
}

fn load_now(path: &Path, roots: &Roots, limits: &Limits) -> Result<Blob, InputProblem> {
    let unreadable =
        |error: std::io::Error| InputProblem::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let (mut file, size, found, facts) = judge(path, roots, limits)?;

    // Reads one byte more than the limit, to notice a file that grows while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default().saturating_add(1));
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    limits.check_size(bytes.len() as u64)?;
    Ok(Blob::assembled(bytes.into(), found, facts))
}

/// Opens a regular file and checks that it is the one that was judged. Between the check of the path and the opening,
/// a link could have replaced the file or one of its folders. So the open handle is asked for its path.
fn open(real: &Path, given: &Path, roots: &Roots) -> Result<File, InputProblem> {
    let not_a_file = || InputProblem::NotAFile { path: given.to_owned() };
    let unreadable = |error: std::io::Error| InputProblem::Unreadable {
        path: given.to_owned(),
        reason: error.to_string(),
    };
    let looked = std::fs::symlink_metadata(real).map_err(unreadable)?;
    if !looked.is_file() {
        return Err(not_a_file());
    }
    let file = options().open(real).map_err(unreadable)?;
    let opened = file.metadata().map_err(unreadable)?;
    let unmoved = match handle::path_of(&file) {
        Some(path) => roots.contains(&path),
        None => dunce::canonicalize(real).is_ok_and(|now: PathBuf| now == real),
    };
    if opened.is_file() && unmoved && is_same(&looked, &opened) { Ok(file) } else { Err(not_a_file()) }
}

/// A pipe in place of the file must not block the open call, and a link must not be followed.
#[cfg(unix)]
pub(crate) fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY);
    options
}

#[cfg(not(unix))]
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

#[cfg(unix)]
pub(crate) fn is_same(looked: &std::fs::Metadata, opened: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    (looked.dev(), looked.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
pub(crate) fn is_same(looked: &std::fs::Metadata, opened: &std::fs::Metadata) -> bool {
    looked.len() == opened.len() && looked.created().ok() == opened.created().ok()
}

/// Lists types as in `JPEG, PNG or WebP`.
fn listed(mimes: &[&str]) -> String {
    let labels: Vec<&str> = mimes.iter().map(|mime| sniff::label(mime)).collect();
    match labels.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "of another kind".to_owned(),
    }
}

fn seconds(millis: u64) -> String {
    match (millis / 1000, millis % 1000 / 100) {
        (whole, 0) => whole.to_string(),
        (whole, tenths) => format!("{whole}.{tenths}"),
    }
}
