//! Settings for callers who authenticate with an identity provider.

use url::Url;

use super::reader::{Reader, is_loopback};
use super::toolset::Toolset;

/// The accepted issuer and what its tokens allow. The server is a resource server of OAuth 2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthSettings {
    /// The identity provider. Must equal the `iss` claim exactly.
    pub issuer: String,
    /// The required `aud` claim. `None` means the URL of `/mcp`.
    pub audience: Option<String>,
    /// The URL of the provider's keys. `None` means that the provider's metadata give it.
    pub jwks: Option<String>,
    /// What each scope allows.
    pub scopes: Vec<ScopeRow>,
}

/// A scope and its toolsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRow {
    /// The scope as it appears in a token.
    pub scope: String,
    /// The toolsets that the scope allows. `None` means all that are switched on.
    pub toolsets: Option<Vec<Toolset>>,
}

const ISSUER: &str = "MINIMAX_MCP_OAUTH_ISSUER";
const AUDIENCE: &str = "MINIMAX_MCP_OAUTH_AUDIENCE";
const JWKS: &str = "MINIMAX_MCP_OAUTH_JWKS";
const SCOPES: &str = "MINIMAX_MCP_OAUTH_SCOPES";

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn oauth(&mut self, offered: &[Toolset]) -> Option<OAuthSettings> {
        let Some(issuer) = self.get(ISSUER) else {
            for name in [AUDIENCE, JWKS, SCOPES] {
                if self.get(name).is_some() {
                    self.problem(name, format!("is set without {ISSUER}, which names the identity provider"));
                }
            }
            return None;
        };
        self.secure(ISSUER, &issuer);
        let jwks = self.get(JWKS);
        if let Some(jwks) = &jwks {
            self.secure(JWKS, jwks);
        }
        Some(OAuthSettings { issuer, audience: self.get(AUDIENCE), jwks, scopes: self.scopes(offered) })
    }

    /// Requires https, because keys that are fetched over plain http could be replaced on the way.
    fn secure(&mut self, name: &'static str, value: &str) {
        let good = Url::parse(value).is_ok_and(|url| {
            let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
            let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
            secure && bare && url.host().is_some() && (name == JWKS || url.query().is_none())
        });
        if !good {
            let problem = "must be an https:// URL without credentials, such as https://login.example.com (http only for this machine)";
            self.problem(name, problem);
        }
    }

    fn scopes(&mut self, offered: &[Toolset]) -> Vec<ScopeRow> {
        let Some(value) = self.get(SCOPES) else { return usual(offered) };
        let mut rows = Vec::new();
        for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some(row) = scope(part) else {
                let legal: Vec<_> = Toolset::ALL.iter().map(|(name, _)| *name).collect();
                let problem = format!(
                    "has `{part}`; must be a list such as `media=image+video,admin=all`, of the toolsets all, {}",
                    legal.join(", ")
                );
                self.problem(SCOPES, problem);
                continue;
            };
            rows.push(row);
        }
        rows
    }
}

/// The default scopes: one for everything, and one for each toolset.
fn usual(offered: &[Toolset]) -> Vec<ScopeRow> {
    let all = ScopeRow { scope: "minimax:all".to_owned(), toolsets: None };
    let each = Toolset::ALL.iter().filter(|(_, group)| offered.contains(group)).map(|(name, group)| {
        let toolsets = Some(Toolset::with_jobs(vec![*group]));
        ScopeRow { scope: format!("minimax:{name}"), toolsets }
    });
    [all].into_iter().chain(each).collect()
}

/// Parses `scope=toolset+toolset`.
fn scope(part: &str) -> Option<ScopeRow> {
    let (scope, groups) = part.rsplit_once('=')?;
    // The legal characters of a scope, which are also safe between the quotes of a header (RFC 6749 > Appendix A.4).
    let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if scope.is_empty() || !scope.bytes().all(legal) {
        return None;
    }
    let scope = scope.to_owned();
    if groups == "all" {
        return Some(ScopeRow { scope, toolsets: None });
    }
    let group = |word: &str| Toolset::ALL.iter().find(|(name, _)| *name == word).map(|(_, group)| *group);
    let groups: Option<Vec<_>> = groups.split('+').map(group).collect();
    Some(ScopeRow { scope, toolsets: Some(Toolset::with_jobs(groups?)) })
}

#[cfg(test)]
mod tests {
    use super::super::of_pairs as read;
    use super::*;

    #[test]
    fn each_offered_toolset_has_a_scope_unless_the_settings_name_others() {
        let config = read(&[(ISSUER, "https://login.example.com/"), ("MINIMAX_TOOLSETS", "video")]);
        let oauth = config.http.oauth.unwrap();
        let row = |scope: &str, toolsets| ScopeRow { scope: scope.to_owned(), toolsets };
        let video = Some(vec![Toolset::Video, Toolset::Jobs]);
        assert_eq!(
            oauth.scopes,
            [
                row("minimax:all", None),
                row("minimax:video", video.clone()),
                row("minimax:jobs", Some(vec![Toolset::Jobs]))
            ]
        );
        assert_eq!((oauth.issuer.as_str(), config.problems.len()), ("https://login.example.com/", 0));
        let other =
            read(&[(ISSUER, "https://a.example"), (SCOPES, "https://a.example/x=video+jobs, admin=all")]);
        let scopes = other.http.oauth.unwrap().scopes;
        assert_eq!(scopes, [row("https://a.example/x", video), row("admin", None)]);
    }

    #[test]
    fn a_setting_that_could_let_a_stranger_in_is_a_problem() {
        for (name, value) in [
            (ISSUER, "http://login.example.com"),
            (ISSUER, "login.example.com"),
            (ISSUER, "https://me:pw@login.example.com"),
            (ISSUER, "https://login.example.com/?x=1"),
            (JWKS, "http://login.example.com/keys"),
            (SCOPES, "video"),
            (SCOPES, "a=images"),
            (SCOPES, "a\"b=image"),
            (SCOPES, "=image"),
        ] {
            let config = read(&[(ISSUER, "https://login.example.com"), (name, value)].map(|pair| {
                if pair.0 == ISSUER { (ISSUER, if name == ISSUER { value } else { pair.1 }) } else { pair }
            }));
            let names: Vec<_> = config.problems.iter().map(|problem| problem.name).collect();
            assert!(
                !names.is_empty() && names.iter().all(|found| *found == name),
                "{name}={value}: {names:?}"
            );
        }
        let lonely = read(&[(AUDIENCE, "x")]);
        assert_eq!((lonely.problems.len(), lonely.http.oauth), (1, None));
        assert!(read(&[(ISSUER, "http://127.0.0.1:9")]).problems.is_empty());
    }
}
