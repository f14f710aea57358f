//! Settings of a server that is reached over HTTP.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::oauth::OAuthSettings;
use super::reader::Reader;
use super::tokens::{SHORTEST, TokenRow};
use super::{Region, Toolset, UploadSettings};

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
    /// Scheme, host, port and path that links to this server begin with.
    pub public_url: Option<String>,
    /// What callers may hand in.
    pub uploads: UploadSettings,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn http(
        &mut self,
        home: &std::path::Path,
        region: Region,
        offered: &[Toolset],
    ) -> HttpSettings {
        let public_url = self.public_url();
        let mut hosts = self.words("MINIMAX_MCP_HOSTS");
        let named = public_url.as_deref().and_then(|url| Url::parse(url).ok());
        hosts.extend(named.and_then(|url| url.host_str().map(str::to_owned)));
        HttpSettings {
            token: self.token(),
            token_file: self.file("MINIMAX_MCP_TOKEN_FILE", home),
            tokens: Vec::new(),
            currency: region.currency(),
            oauth: self.oauth(offered),
            hosts,
            origins: self.words("MINIMAX_MCP_ORIGINS"),
            public_url,
            uploads: self.uploads(),
        }
    }

    fn token(&mut self) -> Option<SecretString> {
        let token = self.get("MINIMAX_MCP_TOKEN")?;
        if token.len() < SHORTEST {
            self.problem(
                "MINIMAX_MCP_TOKEN",
                format!("is shorter than {SHORTEST} characters, and can be guessed"),
            );
        }
        Some(SecretString::from(token))
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
