//! Settings of a server that is reached over HTTP.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::reader::Reader;
use super::{Config, Toolset};

/// Who may call, and under which names the server is known.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// The one token of a server that has one.
    pub token: Option<SecretString>,
    /// Where named tokens are.
    pub token_file: Option<PathBuf>,
    /// What was read from there.
    pub tokens: Vec<TokenRow>,
    /// Names besides this machine's own that the server answers to, with or without a port.
    pub hosts: Vec<String>,
    /// Origins besides this machine's own whose pages may call.
    pub origins: Vec<String>,
    /// Whether each caller brings a MiniMax key of its own. Then the server's is not used for any of them.
    pub caller_keys: bool,
    /// Scheme, host, port and path that links to this server begin with.
    pub public_url: Option<String>,
}

/// A row of the token file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRow {
    /// Whose it is; jobs and files belong to this name.
    pub name: String,
    /// The token.
    pub token: SecretString,
    /// The groups of tools it may use; all by default.
    #[serde(default)]
    pub toolsets: Option<Vec<Toolset>>,
}

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// Reads a token file: a JSON array of rows. The sentence of a refusal has no subject.
pub fn read_tokens(text: &str) -> Result<Vec<TokenRow>, String> {
    use secrecy::ExposeSecret as _;

    let legal = "it is a JSON array of {\"name\": …, \"token\": …, \"toolsets\": [\"image\", …]}";
    let rows: Vec<TokenRow> = serde_json::from_str(text)
        .map_err(|error| format!("cannot be read (line {}, {}); {legal}", error.line(), kind_of(&error)))?;
    if rows.is_empty() {
        return Err(format!("has no row; {legal}"));
    }
    for (index, row) in rows.iter().enumerate() {
        let name = &row.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(format!("has the name `{name}`; a name is 1 to 64 letters, digits and -_.@"));
        }
        if row.token.expose_secret().len() < SHORTEST {
            return Err(format!("has a token for `{name}` of less than {SHORTEST} characters"));
        }
        let earlier = rows.iter().take(index);
        if earlier.clone().any(|other| other.name == *name) {
            return Err(format!("names `{name}` twice"));
        }
        if earlier.clone().any(|other| other.token.expose_secret() == row.token.expose_secret()) {
            return Err(format!("gives `{name}` a token that another name has"));
        }
    }
    Ok(rows)
}

// serde's own words would quote what stands there, which may be a token.
fn kind_of(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Eof => "ends too early",
        _ => "a field is missing, unknown or of another type",
    }
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
    pub(super) fn http(&mut self, home: &std::path::Path) -> HttpSettings {
        let public_url = self.public_url();
        let mut hosts = self.words("MINIMAX_MCP_HOSTS");
        let named = public_url.as_deref().and_then(|url| Url::parse(url).ok());
        hosts.extend(named.and_then(|url| url.host_str().map(str::to_owned)));
        HttpSettings {
            token: self.token(),
            token_file: self.file("MINIMAX_MCP_TOKEN_FILE", home),
            tokens: Vec::new(),
            hosts,
            origins: self.words("MINIMAX_MCP_ORIGINS"),
            caller_keys: self.flag("MINIMAX_MCP_CALLER_KEYS"),
            public_url,
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
