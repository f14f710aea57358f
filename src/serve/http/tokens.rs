//! The server's tokens, and the token file, which is reread when it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::{HttpSettings, Receiver, TokenRow, read_tokens};
use crate::mcp::Caller;
use crate::money::Currency;
use crate::telemetry::in_words;

/// The shortest interval between two checks of the file for changes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The resolution of modification times: two changes within this time may have the same one.
const BLUR: Duration = Duration::from_secs(2);

/// All tokens: the one from the settings, and those from the file.
#[derive(Debug)]
pub(super) struct Tokens {
    single: Option<TokenRow>,
    rows: RwLock<Arc<Vec<TokenRow>>>,
    file: Option<File>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    currency: Currency,
    private: bool,
    seen: Mutex<Seen>,
}

/// The result of the last check of the file.
#[derive(Debug)]
struct Seen {
    at: Instant,
    stamp: Option<Stamp>,
    /// The last problem, so that it is logged only once.
    problem: Option<String>,
}

/// Modification time and size. If they differ, the file has changed.
type Stamp = (SystemTime, u64);

impl Tokens {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let single = settings.token.as_ref();
        let file = settings.token_file.as_ref().map(|path| File {
            path: path.clone(),
            currency: settings.currency,
            private: settings.private_webhooks,
            seen: Mutex::new(Seen { at: Instant::now(), stamp: None, problem: None }),
        });
        Self {
            single: single.map(|token| TokenRow::new("shared", token.expose_secret())),
            rows: RwLock::new(Arc::new(settings.tokens.clone())),
            file,
        }
    }

    /// Whether there are no tokens and no file that could provide any.
    pub(super) fn are_none(&self) -> bool {
        self.single.is_none() && self.file.is_none() && self.rows().is_empty()
    }

    fn rows(&self) -> Arc<Vec<TokenRow>> {
        // The list is valid even if a thread panicked while it held the lock.
        Arc::clone(&self.rows.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The caller that a token belongs to.
    pub(super) async fn caller(&self, token: &str) -> Option<Caller> {
        self.look().await;
        let digest: [u8; 32] = Sha256::digest(token).into();
        let (rows, single) = (self.rows(), self.single.iter());
        let mut found = None;
        // Compare all tokens, so that the time reveals nothing about a match.
        for (row, shared) in rows.iter().map(|row| (row, false)).chain(single.map(|row| (row, true))) {
            if bool::from(row.digest.ct_eq(&digest)) {
                found = Some((row, shared));
            }
        }
        let (row, shared) = found?;
        let principal = if shared { row.name.clone() } else { format!("token:{}", row.name) };
        let TokenRow { toolsets, budget_day, rate, .. } = row;
        Some(Caller {
            is_only_one: rows.len() + usize::from(self.single.is_some()) == 1,
            toolsets: toolsets.clone(),
            budget_day: *budget_day,
            rate: *rate,
            ..Caller::remote(principal)
        })
    }

    /// The receiver of messages about a principal's jobs, if its token names one.
    pub(super) fn receiver(&self, principal: &str) -> Option<Receiver> {
        // If callers bring their own keys, the name ends with a fingerprint of the key.
        let name = principal.strip_prefix("token:")?.split('+').next()?;
        self.rows().iter().find(|row| row.name == name)?.webhook.clone()
    }

    /// Rereads the file if it has changed. Concurrent requests use the previous tokens in the meantime.
    async fn look(&self) {
        let Some(file) = &self.file else { return };
        let Ok(mut seen) = file.seen.try_lock() else { return };
        if seen.at.elapsed() < INTERVAL {
            return;
        }
        seen.at = Instant::now();
        let stamp = stamp_of(&file.path).await;
        if stamp.is_some() && stamp == seen.stamp {
            return;
        }
        let read = read(&file.path, file.currency, file.private).await;
        seen.stamp = stamp.filter(|(changed, _)| changed.elapsed().is_ok_and(|age| age > BLUR));
        match read {
            Ok(rows) => {
                seen.problem = None;
                if *self.rows() != rows {
                    tracing::info!(tokens = rows.len(), "the token file has changed and was read again");
                    *self.rows.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rows);
                }
            }
            Err(problem) if seen.problem.as_ref() != Some(&problem) => {
                tracing::error!(
                    problem,
                    "the changed token file cannot be used; the previous tokens stay valid"
                );
                seen.problem = Some(problem);
            }
            Err(_) => {}
        }
    }
}

async fn stamp_of(path: &Path) -> Option<Stamp> {
    let file = tokio::fs::metadata(path).await.ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// Reads a token file with amounts in `currency`. If `private`, webhooks may be at private addresses. The error is a
/// sentence.
pub async fn read(path: &Path, currency: Currency, private: bool) -> Result<Vec<TokenRow>, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| {
        format!("MINIMAX_MCP_TOKEN_FILE {} cannot be read: {}", path.display(), in_words(&error))
    })?;
    read_tokens(&text, currency, private)
        .map_err(|problem| format!("MINIMAX_MCP_TOKEN_FILE {} {problem}", path.display()))
}

/// Logs a warning if other users of this machine can read or change a token file.
#[cfg(unix)]
pub async fn warn_of_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(file) = tokio::fs::metadata(path).await else { return };
    let mode = file.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        tracing::warn!("{path} contains tokens and is open to other users of this machine: chmod 600 {path}");
    }
}

/// Does nothing here, because file modes are specific to Unix.
#[cfg(not(unix))]
#[expect(clippy::unused_async, reason = "the version for Unix awaits")]
pub async fn warn_of_others(_: &Path) {}
