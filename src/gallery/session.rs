//! Sessions, and the links that log in once.
//!
//! Both are only in memory, so they end with the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use crate::jobs::random_id;

/// How long a session lasts.
const LIFE: Duration = Duration::from_hours(12);

/// How long a link can be opened.
const LINK_LIFE: Duration = Duration::from_mins(10);

/// The most sessions of one login. A new one replaces the oldest.
const OF_ONE: usize = 16;

/// The most sessions, and the most links, over all logins.
const MOST: usize = 4096;

/// The party that a session belongs to.
#[derive(Clone)]
pub(super) enum Login {
    /// The person who started the server, at this machine.
    Owner,
    /// The headers of a request with a token, marked as sensitive. Empty for a server that needs none.
    Token(HeaderMap),
}

/// Shows no token.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owner => "Owner",
            Self::Token(_) => "Token",
        })
    }
}

impl Login {
    /// Identifies a login without its token.
    fn name(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        if let Self::Token(headers) = self {
            for (name, value) in headers {
                hash.update(name.as_str());
                hash.update(value.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

/// The session of a request.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) login: Login,
    /// Every form sends it back, which a page of another origin cannot do.
    pub(super) form_token: String,
    ends: Instant,
}

impl Session {
    /// Whether a form was made for this session.
    pub(super) fn has_made(&self, form_token: &str) -> bool {
        bool::from(self.form_token.as_bytes().ct_eq(form_token.as_bytes()))
    }
}

/// All sessions and links of a server.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Known>);

/// The keys are hashed, so that the time of a lookup reveals nothing about them.
#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<[u8; 32], Session>,
    links: HashMap<[u8; 32], (Login, Instant)>,
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

impl Sessions {
    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.sessions.retain(|_, session| session.ends > now);
        known.links.retain(|_, (_, ends)| *ends > now);
        known
    }

    /// Begins a session and returns its key, which goes into a cookie. `None` if there are too many.
    pub(super) fn begin(&self, login: Login) -> Option<String> {
        let mut known = self.known();
        let name = login.name();
        let mine = known.sessions.iter().filter(|(_, session)| session.login.name() == name);
        let mut mine: Vec<_> = mine.map(|(key, session)| (session.ends, *key)).collect();
        mine.sort_unstable();
        let surplus = (mine.len() + 1).saturating_sub(OF_ONE);
        for (_, key) in mine.into_iter().take(surplus) {
            known.sessions.remove(&key);
        }
        if known.sessions.len() >= MOST {
            return None;
        }
        let key = random_id("session");
        let form_token = random_id("form");
        known.sessions.insert(hash(&key), Session { login, form_token, ends: Instant::now() + LIFE });
        Some(key)
    }

    /// The session of a key.
    pub(super) fn find(&self, key: &str) -> Option<Session> {
        self.known().sessions.get(&hash(key)).cloned()
    }

    /// Ends a session.
    pub(super) fn end(&self, key: &str) {
        self.known().sessions.remove(&hash(key));
    }

    /// Makes the code of a link. `None` if there are too many.
    pub(super) fn link(&self, login: Login) -> Option<String> {
        let mut known = self.known();
        if known.links.len() >= MOST {
            return None;
        }
        let code = random_id("open");
        known.links.insert(hash(&code), (login, Instant::now() + LINK_LIFE));
        Some(code)
    }

    /// Uses up a link, and returns its login.
    pub(super) fn open(&self, code: &str) -> Option<Login> {
        self.known().links.remove(&hash(code)).map(|(login, _)| login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(value: &'static str) -> Login {
        let value = axum::http::HeaderValue::from_static(value);
        Login::Token(HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_opens_once_and_not_after_its_time() {
        let sessions = Sessions::default();
        let code = sessions.link(Login::Owner).unwrap();
        assert!(sessions.open("open_x").is_none());
        assert!(sessions.open(&code).is_some());
        assert!(sessions.open(&code).is_none());
        let late = sessions.link(Login::Owner).unwrap();
        tokio::time::advance(LINK_LIFE).await;
        assert!(sessions.open(&late).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_expires_and_a_new_one_replaces_the_oldest_of_its_login() {
        let sessions = Sessions::default();
        let other = sessions.begin(token("Bearer b")).unwrap();
        let mut keys = Vec::new();
        for _ in 0..=OF_ONE {
            tokio::time::advance(Duration::from_secs(1)).await;
            keys.push(sessions.begin(token("Bearer a")).unwrap());
        }
        assert!(sessions.find(&keys[0]).is_none() && sessions.find(&keys[1]).is_some());
        assert!(sessions.find(&other).is_some(), "another login keeps its own");
        sessions.end(&keys[1]);
        assert!(sessions.find(&keys[1]).is_none());
        tokio::time::advance(LIFE).await;
        assert!(keys.iter().all(|key| sessions.find(key).is_none()));
    }
}
