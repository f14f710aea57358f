//! The file of named tokens.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::toolset::Toolset;
use super::{Receiver, amount};
use crate::money::{Currency, Money};

/// The least length of a token. Shorter ones can be guessed.
pub(super) const SHORTEST: usize = 16;

/// The highest rate, in calls per minute. A higher one would not limit anything.
const FASTEST: u32 = 100_000;

/// A caller with a token, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The principal. Jobs and files belong to this name.
    pub name: String,
    /// The SHA-256 of the token. The token itself is not kept.
    pub digest: [u8; 32],
    /// The toolsets that the caller may use. `None` means all.
    pub toolsets: Option<Vec<Toolset>>,
    /// The budget for any 24 hours.
    pub budget_day: Option<Money>,
    /// The highest number of tool calls per minute.
    pub rate: Option<u32>,
    /// Where messages about the caller's jobs go, in place of `MINIMAX_WEBHOOK_URL`.
    pub webhook: Option<Receiver>,
}

impl TokenRow {
    /// A token without limits.
    pub fn new(name: impl Into<String>, token: &str) -> Self {
        let digest = Sha256::digest(token).into();
        Self { name: name.into(), digest, toolsets: None, budget_day: None, rate: None, webhook: None }
    }
}

/// A row of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    token: Option<SecretString>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    toolsets: Option<Vec<Toolset>>,
    #[serde(default)]
    budget_day: Option<Value>,
    #[serde(default)]
    rate: Option<u32>,
    #[serde(default)]
    webhook: Option<WrittenReceiver>,
}

/// A receiver of messages in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenReceiver {
    url: SecretString,
    secret: SecretString,
}

/// Reads a token file: a JSON array of rows, with amounts in `currency`. If `private`, webhooks may be plain http. The error
/// is a sentence without a subject.
pub fn read_tokens(text: &str, currency: Currency, private: bool) -> Result<Vec<TokenRow>, String> {
    let legal = "must be a JSON array of {\"name\": …, \"token\": … or \"sha256\": …, \"toolsets\": [\"image\", …], \
                 \"budget_day\": \"5\", \"rate\": 30, \"webhook\": {\"url\": …, \"secret\": …}}; the last four may be left \
                 out";
    let written: Vec<Written> = serde_json::from_str(text).map_err(|error| match misfit(text) {
        Some(misfit) => misfit,
        None => format!("cannot be read (line {}, {}); {legal}", error.line(), kind_of(&error)),
    })?;
    if written.is_empty() {
        return Err(format!("has no row; {legal}"));
    }
    let mut rows: Vec<TokenRow> = Vec::new();
    for row in written {
        let row = row.read(currency, private)?;
        if rows.iter().any(|other| other.name == row.name) {
            return Err(format!("names `{}` twice", row.name));
        }
        if rows.iter().any(|other| other.digest == row.digest) {
            return Err(format!("gives `{}` the token of another name", row.name));
        }
        rows.push(row);
    }
    Ok(rows)
}

impl Written {
    fn read(self, currency: Currency, private: bool) -> Result<TokenRow, String> {
        let digest = self.digest()?;
        let Self { name, toolsets, budget_day, rate, webhook, .. } = self;
        if rate.is_some_and(|rate| !(1..=FASTEST).contains(&rate)) {
            return Err(format!("has a `rate` for `{name}` that must be 1 to {FASTEST} calls a minute"));
        }
        let budget_day = match budget_day {
            None => None,
            Some(Value::String(words)) => Some(words),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => {
                return Err(format!("has a `budget_day` for `{name}` that must be an amount, such as \"5\""));
            }
        };
        let budget_day = budget_day.map(|words| amount::read(&words, currency)).transpose();
        let budget_day =
            budget_day.map_err(|problem| format!("has a `budget_day` for `{name}` that {problem}"))?;
        let toolsets = toolsets.map(Toolset::with_jobs);
        let webhook = webhook.map(|written| {
            Receiver::read(written.url.expose_secret(), written.secret.expose_secret(), private)
        });
        let webhook = webhook.transpose();
        let webhook = webhook.map_err(|problem| format!("has a `webhook` for `{name}` whose {problem}"))?;
        Ok(TokenRow { name, digest, toolsets, budget_day, rate, webhook })
    }

    fn digest(&self) -> Result<[u8; 32], String> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(format!("has the name `{name}`; must be 1 to 64 letters, digits and -_.@"));
        }
        match (&self.token, &self.sha256) {
            (Some(token), None) if token.expose_secret().len() < SHORTEST => {
                Err(format!("has a token for `{name}` of less than {SHORTEST} characters"))
            }
            (Some(token), None) => Ok(Sha256::digest(token.expose_secret()).into()),
            (None, Some(sha256)) => {
                let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(sha256.trim().as_bytes());
                digest.ok().and_then(|digest| digest.try_into().ok()).ok_or_else(|| {
                    format!("has a `sha256` for `{name}` that is not 64 hexadecimal digits, the SHA-256 of a token")
                })
            }
            _ => Err(format!(
                "needs for `{name}` either `token` or `sha256`, the token's SHA-256, but not both"
            )),
        }
    }
}

/// Describes the first unknown or malformed field. Quotes a value only where it cannot be a token.
fn misfit(text: &str) -> Option<String> {
    const FIELDS: [&str; 7] = ["name", "token", "sha256", "toolsets", "budget_day", "rate", "webhook"];
    let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(text).ok()?;
    rows.iter().find_map(|row| {
        let name = row.get("name").and_then(Value::as_str).filter(|name| name.len() <= 64).unwrap_or("?");
        if let Some(field) = row.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            let short: String = field.chars().take(12).collect();
            return Some(format!("has the field `{short}` for `{name}`; fields are {}", FIELDS.join(", ")));
        }
        let groups: Vec<_> = Toolset::ALL.iter().map(|(name, _)| *name).collect();
        let is_group = |value: &Value| value.as_str().is_some_and(|word| groups.contains(&word));
        match row.get("toolsets") {
            None | Some(Value::Null) => {}
            Some(Value::Array(words)) if words.iter().all(is_group) => {}
            Some(_) => {
                let legal = groups.join(", ");
                return Some(format!("has `toolsets` for `{name}` that must be a list of {legal}"));
            }
        }
        let is_webhook = |value: &Value| {
            let Some(parts) = value.as_object() else { return value.is_null() };
            parts.len() == 2
                && ["url", "secret"].iter().all(|name| parts.get(*name).is_some_and(Value::is_string))
        };
        if !row.get("webhook").is_none_or(is_webhook) {
            let legal = "must have a `url` and a `secret`, and nothing else";
            return Some(format!("has a `webhook` for `{name}` that {legal}"));
        }
        let rate = row.get("rate").is_none_or(|rate| rate.is_null() || rate.is_u64());
        (!rate).then(|| format!("has a `rate` for `{name}` that must be a whole number, such as 30"))
    })
}

// serde's own message would quote the value, which may be a token.
fn kind_of(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Eof => "ends too early",
        _ => "a field is missing, unknown or of another type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_row_names_the_row_and_the_field() {
        let wrong = |field: &str| {
            read_tokens(
                &format!(r#"[{{"name": "ada", "token": "0123456789abcdef", {field}}}]"#),
                Currency::Usd,
                false,
            )
            .unwrap_err()
        };
        for (field, words) in [
            (r#""toolsets": ["foo"]"#, "must be a list of text, speech"),
            (r#""toolset": ["image"]"#, "has the field `toolset` for `ada`; fields are name, token"),
            (r#""rate": "ten""#, "`rate` for `ada`"),
        ] {
            let problem = wrong(field);
            assert!(problem.contains(words) && problem.contains("ada"), "{field}: {problem}");
            assert!(!problem.contains("0123456789"), "{problem}");
        }
    }

    #[test]
    fn a_token_is_kept_as_its_digest_in_either_form() {
        let clear =
            read_tokens(r#"[{"name": "ada", "token": "0123456789abcdef"}]"#, Currency::Usd, false).unwrap();
        let digest = data_encoding::HEXUPPER.encode(&Sha256::digest("0123456789abcdef"));
        let hidden =
            read_tokens(&format!(r#"[{{"name": "ada", "sha256": "{digest}"}}]"#), Currency::Usd, false)
                .unwrap();
        assert_eq!(clear, hidden);
        assert_eq!(clear, [TokenRow::new("ada", "0123456789abcdef")]);
    }

    #[test]
    fn a_row_has_the_limits_of_its_caller() {
        let text = r#"[{"name": "a", "token": "0123456789abcdef", "budget_day": "2.5 cny", "rate": 30},
                       {"name": "b", "token": "0123456789abcdeF", "budget_day": 0.5, "toolsets": ["image"]}]"#;
        let rows = read_tokens(text, Currency::Cny, false).unwrap();
        assert_eq!(
            (rows[0].budget_day, rows[0].rate),
            (Some(Money::from_millionths(2_500_000, Currency::Cny)), Some(30))
        );
        assert_eq!(rows[1].budget_day, Some(Money::from_millionths(500_000, Currency::Cny)));
        assert_eq!(rows[1].toolsets, Some(vec![Toolset::Image, Toolset::Jobs]), "the job tools come with it");
    }

    #[test]
    fn an_error_names_the_wrong_row_and_does_not_show_its_token() {
        let secret = "very-secret-0123456789";
        let with = |fields: &str| format!(r#"[{{"name": "ada", "token": "{secret}"{fields}}}]"#);
        for (text, told) in [
            ("[]".to_owned(), "has no row"),
            (with(", \"rate\": 0"), "`rate` for `ada`"),
            (with(", \"rate\": -1"), "must be a whole number"),
            (with(", \"budget_day\": \"5 EUR\""), "`budget_day` for `ada`"),
            (with(", \"budget_day\": \"5 CNY\""), "knows no exchange rate"),
            (with(", \"budget_day\": 1e-7"), "`budget_day` for `ada`"),
            (with(", \"budget_day\": []"), "must be an amount"),
            (with(", \"sha256\": \"00\""), "not both"),
            (with(", \"colour\": 1"), "the field `colour` for `ada`; fields are name"),
            (with(", \"toolsets\": [\"images\"]"), "must be a list of text"),
            (with(", \"webhook\": \"https://example.com/hunter2\""), "`webhook` for `ada` that must have"),
            (
                with(", \"webhook\": {\"url\": \"https://example.com/hunter2\"}"),
                "`webhook` for `ada` that must have",
            ),
            (
                with(", \"webhook\": {\"url\": \"http://example.com/hunter2\", \"secret\": \"whsec_x\"}"),
                "`webhook` for `ada` whose `url` is not encrypted",
            ),
            (
                with(", \"webhook\": {\"url\": \"https://example.com/hunter2\", \"secret\": \"hunter2\"}"),
                "`webhook` for `ada` whose `secret` is not a webhook secret",
            ),
            (r#"[{"name": "ada"}]"#.to_owned(), "either `token` or `sha256`"),
            (r#"[{"name": "ada", "sha256": "00"}]"#.to_owned(), "64 hexadecimal digits"),
            (r#"[{"name": "a b", "token": "0123456789abcdef"}]"#.to_owned(), "must be 1 to 64"),
            (r#"[{"name": "ada", "token": "short"}]"#.to_owned(), "less than 16"),
            (
                format!("[{}, {}]", &with("")[1..with("").len() - 1], &with("")[1..with("").len() - 1]),
                "twice",
            ),
        ] {
            let problem = read_tokens(&text, Currency::Usd, false).unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
            assert!(!problem.contains(secret) && !problem.contains("hunter2"), "{problem}");
        }
    }
}
