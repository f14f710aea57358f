//! The file of named tokens.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Toolset, amount};

/// The least length of a token. Shorter ones can be guessed.
pub(super) const SHORTEST: usize = 16;

/// The highest rate in calls per minute. A higher one would limit nothing.
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
    /// The budget for any 24 hours, in millionths of the region's currency.
    pub budget_day: Option<i64>,
    /// The highest number of tool calls per minute.
    pub rate: Option<u32>,
}

impl Toolset {
    /// Adds `jobs` if one of the toolsets starts jobs. Without it a caller could not ask for their results.
    pub fn with_jobs(mut groups: Vec<Self>) -> Vec<Self> {
        if groups.iter().any(|group| Self::STARTS_JOBS.contains(group)) && !groups.contains(&Self::Jobs) {
            groups.push(Self::Jobs);
        }
        groups
    }
}

impl TokenRow {
    /// A token without limits.
    pub fn new(name: impl Into<String>, token: &str) -> Self {
        let digest = Sha256::digest(token).into();
        Self { name: name.into(), digest, toolsets: None, budget_day: None, rate: None }
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
}

/// Reads a token file: a JSON array of rows, with amounts in `currency`. The error is a sentence without a subject.
pub fn read_tokens(text: &str, currency: &str) -> Result<Vec<TokenRow>, String> {
    let legal = "it is a JSON array of {\"name\": …, \"token\": … or \"sha256\": …, \"toolsets\": [\"image\", …], \
                 \"budget_day\": \"5\", \"rate\": 30}; the last three may be left out";
    let written: Vec<Written> = serde_json::from_str(text).map_err(|error| match misfit(text) {
        Some(misfit) => misfit,
        None => format!("cannot be read (line {}, {}); {legal}", error.line(), kind_of(&error)),
    })?;
    if written.is_empty() {
        return Err(format!("has no row; {legal}"));
    }
    let mut rows: Vec<TokenRow> = Vec::new();
    for row in written {
        let row = row.read(currency)?;
        if rows.iter().any(|other| other.name == row.name) {
            return Err(format!("names `{}` twice", row.name));
        }
        if rows.iter().any(|other| other.digest == row.digest) {
            return Err(format!("gives `{}` a token that another name has", row.name));
        }
        rows.push(row);
    }
    Ok(rows)
}

impl Written {
    fn read(self, currency: &str) -> Result<TokenRow, String> {
        let digest = self.digest()?;
        let Self { name, toolsets, budget_day, rate, .. } = self;
        if rate.is_some_and(|rate| !(1..=FASTEST).contains(&rate)) {
            return Err(format!("has a `rate` for `{name}` that is not 1 to {FASTEST} calls a minute"));
        }
        let budget_day = match budget_day {
            None => None,
            Some(Value::String(words)) => Some(words),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => return Err(format!("has a `budget_day` for `{name}` that is no amount, as in \"5\"")),
        };
        let budget_day = budget_day.map(|words| amount::read(&words, currency)).transpose();
        let budget_day =
            budget_day.map_err(|problem| format!("has a `budget_day` for `{name}` that {problem}"))?;
        let toolsets = toolsets.map(Toolset::with_jobs);
        Ok(TokenRow { name, digest, toolsets, budget_day, rate })
    }

    fn digest(&self) -> Result<[u8; 32], String> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(format!("has the name `{name}`; a name is 1 to 64 letters, digits and -_.@"));
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
                "needs for `{name}` either `token` or `sha256`, the token's SHA-256, and not both"
            )),
        }
    }
}

/// Describes the first unknown or malformed field. Quotes a value only where it cannot be a token.
fn misfit(text: &str) -> Option<String> {
    const FIELDS: [&str; 6] = ["name", "token", "sha256", "toolsets", "budget_day", "rate"];
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
                return Some(format!(
                    "has `toolsets` for `{name}` that are no list of groups; groups are {legal}"
                ));
            }
        }
        let rate = row.get("rate").is_none_or(|rate| rate.is_null() || rate.is_u64());
        (!rate).then(|| format!("has a `rate` for `{name}` that is no whole number, as in 30"))
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
    fn what_is_wrong_with_a_row_is_said_by_its_name_and_its_field() {
        let wrong = |field: &str| {
            read_tokens(&format!(r#"[{{"name": "ada", "token": "0123456789abcdef", {field}}}]"#), "USD")
                .unwrap_err()
        };
        for (field, words) in [
            (r#""toolsets": ["foo"]"#, "groups are text, speech"),
            (r#""toolset": ["image"]"#, "has the field `toolset` for `ada`; fields are name, token"),
            (r#""rate": "ten""#, "`rate` for `ada`"),
        ] {
            let problem = wrong(field);
            assert!(problem.contains(words) && problem.contains("ada"), "{field}: {problem}");
            assert!(!problem.contains("0123456789"), "{problem}");
        }
    }

    #[test]
    fn a_token_is_kept_as_its_digest_however_it_is_given() {
        let clear = read_tokens(r#"[{"name": "ada", "token": "0123456789abcdef"}]"#, "USD").unwrap();
        let digest = data_encoding::HEXUPPER.encode(&Sha256::digest("0123456789abcdef"));
        let hidden = read_tokens(&format!(r#"[{{"name": "ada", "sha256": "{digest}"}}]"#), "USD").unwrap();
        assert_eq!(clear, hidden);
        assert_eq!(clear, [TokenRow::new("ada", "0123456789abcdef")]);
    }

    #[test]
    fn a_row_says_what_its_owner_may_use_up() {
        let text = r#"[{"name": "a", "token": "0123456789abcdef", "budget_day": "2.5 cny", "rate": 30},
                       {"name": "b", "token": "0123456789abcdeF", "budget_day": 0.5, "toolsets": ["image"]}]"#;
        let rows = read_tokens(text, "CNY").unwrap();
        assert_eq!((rows[0].budget_day, rows[0].rate), (Some(2_500_000), Some(30)));
        assert_eq!(rows[1].budget_day, Some(500_000));
        assert_eq!(rows[1].toolsets, Some(vec![Toolset::Image, Toolset::Jobs]), "jobs can be asked about");
    }

    #[test]
    fn a_row_that_is_wrong_is_named_and_its_token_is_not() {
        let secret = "very-secret-0123456789";
        let with = |fields: &str| format!(r#"[{{"name": "ada", "token": "{secret}"{fields}}}]"#);
        for (text, told) in [
            ("[]".to_owned(), "has no row"),
            (with(", \"rate\": 0"), "`rate` for `ada`"),
            (with(", \"rate\": -1"), "no whole number"),
            (with(", \"budget_day\": \"5 EUR\""), "`budget_day` for `ada`"),
            (with(", \"budget_day\": \"5 CNY\""), "no rate of exchange"),
            (with(", \"budget_day\": 1e-7"), "`budget_day` for `ada`"),
            (with(", \"budget_day\": []"), "no amount"),
            (with(", \"sha256\": \"00\""), "not both"),
            (with(", \"colour\": 1"), "the field `colour` for `ada`; fields are name"),
            (with(", \"toolsets\": [\"images\"]"), "groups are text"),
            (r#"[{"name": "ada"}]"#.to_owned(), "either `token` or `sha256`"),
            (r#"[{"name": "ada", "sha256": "00"}]"#.to_owned(), "64 hexadecimal digits"),
            (r#"[{"name": "a b", "token": "0123456789abcdef"}]"#.to_owned(), "a name is"),
            (r#"[{"name": "ada", "token": "short"}]"#.to_owned(), "less than 16"),
            (
                format!("[{}, {}]", &with("")[1..with("").len() - 1], &with("")[1..with("").len() - 1]),
                "twice",
            ),
        ] {
            let problem = read_tokens(&text, "USD").unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
            assert!(!problem.contains(secret), "{problem}");
        }
    }
}
