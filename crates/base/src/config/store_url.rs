//! The URL of a PostgreSQL database.

use secrecy::SecretString;
use url::{Host, Url};

/// The form of a legal value.
const FORM: &str = "must be like postgres://USER:PASSWORD@HOST:5432/DATABASE";

/// The parameters that a URL may have.
const PARAMETERS: &[&str] = &["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "application_name"];

/// The accepted values of `sslmode`. PostgreSQL's other modes encrypt without a check of the certificate, or only if the
/// server wants to. They do not protect against an attacker who can change the traffic.
const MODES: &[&str] = &["verify-full", "verify-ca", "disable"];

/// Reads the setting. Returns the URL and, if it is used without encryption, a warning. The error never shows the value,
/// which may contain a password.
pub(super) fn read(value: &str) -> Result<(SecretString, Option<&'static str>), String> {
    let url = Url::parse(value).map_err(|error| format!("is not a URL ({error}); {FORM}"))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(format!("has another scheme than postgres; {FORM}, or unset for SQLite"));
    }
    let database = url.path().trim_start_matches('/');
    if database.is_empty() || database.contains('/') || url.fragment().is_some() {
        return Err(format!("does not name one database; {FORM}"));
    }
    let mut mode = None;
    let mut is_socket = false;
    for (name, value) in url.query_pairs() {
        if !PARAMETERS.contains(&&*name) {
            let legal = PARAMETERS.join(", ");
            return Err(format!("has the parameter `{name}`; must be one of {legal}"));
        }
        match &*name {
            "sslmode" if MODES.contains(&&*value) => mode = Some(value.into_owned()),
            "sslmode" => {
                return Err(format!("has the sslmode `{value}`; must be one of {}", MODES.join(", ")));
            }
            "host" if value.starts_with('/') => is_socket = true,
            "host" => {
                return Err(format!(
                    "has the host `{value}`; must be a folder of sockets, such as /run/postgresql"
                ));
            }
            _ => {}
        }
    }
    let is_here = match url.host() {
        _ if is_socket => true,
        None | Some(Host::Domain("")) => return Err(format!("names no host; {FORM}")),
        // The `url` crate recognizes numeric addresses only in the schemes of the web.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    };
    let warning = (mode.as_deref() == Some("disable") && !is_here).then_some(
        "has sslmode=disable: the password and all prompts cross the network unencrypted, and anyone on it may answer \
         as the database",
    );
    Ok((SecretString::from(value), warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_accepted_and_errors_about_others_show_no_password() {
        for legal in [
            "postgres://ada:hunter2@db.example.com/minimax",
            "postgresql://db:6432/minimax?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
            "postgres://ada@localhost/minimax?host=/run/postgresql",
            "postgres:///minimax?host=/run/postgresql",
            "postgres://ada:hunter2@127.0.0.1/minimax?sslmode=disable",
        ] {
            assert!(matches!(read(legal), Ok((_, None))), "{legal}: {:?}", read(legal));
        }
        let (_, warning) = read("postgres://ada:hunter2@db/minimax?sslmode=disable").unwrap();
        assert!(warning.is_some_and(|warning| warning.contains("unencrypted")));
        for (wrong, word) in [
            ("hunter2", "not a URL"),
            ("mysql://ada:hunter2@db/minimax", "scheme"),
            ("postgres://ada:hunter2@db", "database"),
            ("postgres://ada:hunter2@db/a/b", "database"),
            ("postgres:///minimax", "no host"),
            ("postgres://ada:hunter2@db/minimax?sslmode=require", "verify-full"),
            ("postgres://ada:hunter2@db/minimax?sslmode=prefer", "verify-full"),
            ("postgres://ada@db/minimax?password=hunter2", "`password`"),
            ("postgres://ada:hunter2@db/minimax?host=other", "sockets"),
        ] {
            let problem = read(wrong).unwrap_err();
            assert!(problem.contains(word) && !problem.contains("hunter2"), "{wrong}: {problem}");
        }
    }
}
