//! Settings of the HTTP server.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::oauth::OAuthSettings;
use super::reader::{Reader, words_of};
use super::region::Region;
use super::tokens::{SHORTEST, TokenRow};
use super::toolset::Toolset;
use super::{Config, ConfigError, UploadSettings};
use crate::money::Currency;

/// Who may call, and the names that the server answers to.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// The token of a server with a single token.
    pub token: Option<SecretString>,
    /// The file of named tokens.
    pub token_file: Option<PathBuf>,
    /// The rows of that file.
    pub tokens: Vec<TokenRow>,
    /// If true, webhooks in that file may lead to private addresses.
    pub private_webhooks: bool,
    /// The currency of amounts in that file.
    pub currency: Currency,
    /// The identity provider whose tokens the server accepts.
    pub oauth: Option<OAuthSettings>,
    /// Host names that the server answers to besides localhost, with or without a port.
    pub hosts: Vec<String>,
    /// Origins besides localhost whose pages may call.
    pub origins: Vec<String>,
    /// If true, each caller sends its own MiniMax key, and the server's key is never used.
    pub caller_keys: bool,
    /// If true, every caller may use files, tasks and voices at MiniMax that have no recorded owner.
    pub shared_account: bool,
    /// The start of every link to this server: scheme, host, port and path.
    pub public_url: Option<String>,
    /// Limits of uploads.
    pub uploads: UploadSettings,
}

impl Config {
    /// Adapts the settings to stdio. A wrong setting that only the HTTP server uses blocks no call here.
    pub fn reach_over_stdio(&mut self) {
        let over_http = |name: &str| name.starts_with("MINIMAX_MCP_") && name != "MINIMAX_MCP_BASE_PATH";
        let (unused, problems): (Vec<_>, Vec<_>) =
            self.problems.drain(..).partition(|problem| over_http(problem.name));
        self.problems = problems;
        let note = |problem: ConfigError| format!("{problem} (only `serve --http` uses it)");
        self.warnings.extend(unused.into_iter().map(note));
    }

    /// Adapts the settings to HTTP. Nothing is played on the server's machine, and with callers' own keys the
    /// server's key is removed so that it cannot be used by mistake. Returns true if a key was removed.
    pub fn reach_over_http(&mut self) -> bool {
        self.local_playback = false;
        if !self.http.caller_keys {
            return false;
        }
        let (key, plan_key) = (self.key.take(), self.plan_key.take());
        key.or(plan_key).is_some()
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn http(
        &mut self,
        home: &std::path::Path,
        region: Region,
        offered: &[Toolset],
    ) -> HttpSettings {
        let public_url = self.public_url();
        let legal = "must be host names, with or without a port, such as media.example.com";
        let mut hosts = self.fitting("MINIMAX_MCP_HOSTS", legal, |host| !host.contains(['/', '@', ' ']));
        let legal = "must be origins, each a scheme and a name, such as https://app.example.com";
        let origins = self.fitting("MINIMAX_MCP_ORIGINS", legal, |origin| origin.contains("://"));
        let named = public_url.as_deref().and_then(|url| Url::parse(url).ok());
        hosts.extend(named.and_then(|url| url.host_str().map(str::to_owned)));
        HttpSettings {
            token: self.token(),
            token_file: self.file("MINIMAX_MCP_TOKEN_FILE", home),
            tokens: Vec::new(),
            private_webhooks: false,
            currency: region.currency(),
            oauth: self.oauth(offered),
            hosts,
            origins,
            caller_keys: self.flag("MINIMAX_MCP_CALLER_KEYS"),
            shared_account: self.safe_flag("MINIMAX_MCP_SHARED_ACCOUNT"),
            public_url,
            uploads: self.uploads(),
        }
    }

    fn token(&mut self) -> Option<SecretString> {
        let token = self.get("MINIMAX_MCP_TOKEN")?;
        if token.len() < SHORTEST {
            self.problem(
                "MINIMAX_MCP_TOKEN",
                format!("must have at least {SHORTEST} characters, because shorter ones can be guessed; `openssl rand -hex 24` makes one"),
            );
        } else if !token.chars().all(|letter| letter.is_ascii_graphic()) {
            self.problem(
                "MINIMAX_MCP_TOKEN",
                "has a space or a character that a header cannot contain; must be ASCII letters, digits and punctuation",
            );
        }
        Some(SecretString::from(token))
    }

    /// Reads a list. Each illegal word becomes a problem.
    fn fitting(&mut self, name: &'static str, legal: &str, fits: fn(&str) -> bool) -> Vec<String> {
        let words = self.words(name);
        for word in words.iter().filter(|word| !fits(word)) {
            self.problem(name, format!("has `{word}`; {legal}"));
        }
        words
    }

    fn words(&self, name: &str) -> Vec<String> {
        words_of(&self.get(name).unwrap_or_default()).map(str::to_owned).collect()
    }

    fn public_url(&mut self) -> Option<String> {
        let value = self.get("MINIMAX_MCP_PUBLIC_URL")?;
        match Url::parse(&value) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https")
                    && url.host().is_some()
                    && url.query().is_none() =>
            {
                Some(value.trim_end_matches('/').to_owned())
            }
            _ => {
                let problem = format!("is `{value}`; must be a URL such as https://media.example.com");
                self.problem("MINIMAX_MCP_PUBLIC_URL", problem);
                None
            }
        }
    }
}
