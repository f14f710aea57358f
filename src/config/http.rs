//! Settings of a server that is reached over HTTP.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::oauth::OAuthSettings;
use super::reader::Reader;
use super::tokens::{SHORTEST, TokenRow};
use super::{Config, Region, Toolset, UploadSettings};

/// Who may call, and under which names the server is known.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// The one token of a server that has one.
    pub token: Option<SecretString>,
    /// Where named tokens are.
    pub token_file: Option<PathBuf>,
    /// What was read from there.
    pub tokens: Vec<TokenRow>,
    /// What amounts in the file are in.
    pub currency: &'static str,
    /// The identity provider whose tokens are taken.
    pub oauth: Option<OAuthSettings>,
    /// Names besides this machine's own that the server answers to, with or without a port.
    pub hosts: Vec<String>,
    /// Origins besides this machine's own whose pages may call.
    pub origins: Vec<String>,
    /// Whether each caller brings a MiniMax key of its own. Then the server's is not used for any of them.
    pub caller_keys: bool,
    /// Whether every caller may use what the account has at MiniMax and the records name no owner of.
    pub shared_account: bool,
    /// Scheme, host, port and path that links to this server begin with.
    pub public_url: Option<String>,
    /// What callers may hand in.
    pub uploads: UploadSettings,
}

impl Config {
    /// The same settings for a server that is reached over HTTP: nobody sits at its machine to listen, and where
    /// callers bring their own keys the server's is not there to be used by mistake. Tells whether there was one.
    pub fn reach_over_http(&mut self) -> bool {
        self.local_playback = false;
        self.http.caller_keys && self.key.take().is_some()
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
        let legal = "it is names, with or without a port, such as media.example.com";
        let mut hosts = self.fitting("MINIMAX_MCP_HOSTS", legal, |host| !host.contains(['/', '@', ' ']));
        let legal = "an origin is a scheme and a name, such as https://app.example.com";
        let origins = self.fitting("MINIMAX_MCP_ORIGINS", legal, |origin| origin.contains("://"));
        let named = public_url.as_deref().and_then(|url| Url::parse(url).ok());
        hosts.extend(named.and_then(|url| url.host_str().map(str::to_owned)));
        HttpSettings {
            token: self.token(),
            token_file: self.file("MINIMAX_MCP_TOKEN_FILE", home),
            tokens: Vec::new(),
            currency: region.currency(),
            oauth: self.oauth(offered),
            hosts,
            origins,
            caller_keys: self.flag("MINIMAX_MCP_CALLER_KEYS"),
            shared_account: self.shared_account(),
            public_url,
            uploads: self.uploads(),
        }
    }

    /// A word that is neither yes nor no is a problem, and opens nothing.
    fn shared_account(&mut self) -> bool {
        let problems = self.problems.len();
        self.flag("MINIMAX_MCP_SHARED_ACCOUNT") && self.problems.len() == problems
    }

    fn token(&mut self) -> Option<SecretString> {
        let token = self.get("MINIMAX_MCP_TOKEN")?;
        if token.len() < SHORTEST {
            self.problem(
                "MINIMAX_MCP_TOKEN",
                format!("is shorter than {SHORTEST} characters, and can be guessed; `openssl rand -hex 24` makes a good one"),
            );
        } else if !token.chars().all(|letter| letter.is_ascii_graphic()) {
            self.problem(
                "MINIMAX_MCP_TOKEN",
                "has a space or a letter that no header can hold; it is plain letters, digits and signs",
            );
        }
        Some(SecretString::from(token))
    }

    /// Words that have to fit, or are a problem.
    fn fitting(&mut self, name: &'static str, legal: &str, fits: fn(&str) -> bool) -> Vec<String> {
        let words = self.words(name);
        for word in words.iter().filter(|word| !fits(word)) {
            self.problem(name, format!("has `{word}`; {legal}"));
        }
        words
    }

    fn words(&self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default();
        value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
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
                let problem = format!("is `{value}`; it is a URL such as https://media.example.com");
                self.problem("MINIMAX_MCP_PUBLIC_URL", problem);
                None
            }
        }
    }
}
