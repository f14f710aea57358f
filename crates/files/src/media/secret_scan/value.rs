//! Decides whether a value is a secret, or a word, a placeholder or an expression of a program.

use data_encoding::BASE64_NOPAD;
use serde::Deserialize;

/// The least length of a random value.
const RANDOM_MIN: usize = 16;
/// The least length of a password.
const PASSWORD_MIN: usize = 6;

/// The condition on a value for its rule to match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Value {
    /// Any value.
    #[default]
    Any,
    /// Not a placeholder. For rules whose line says enough.
    Line,
    /// Not a placeholder, and not an example value of a guide.
    Set,
    /// Contains a digit or a sign, unlike words and names of variables.
    Password,
    /// Letters and digits without a pattern.
    Random,
    /// Like [`Self::Random`], but with more kinds of characters. For rules with an unspecific name.
    Strong,
    /// Letters and digits. For values whose prefix identifies them.
    Token,
    /// A name and a password in base64.
    Basic,
}

/// Parts of placeholders, or of expressions that a program fills in.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "placeholder",
    "your",
    "xxxx",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "insert",
    "redacted",
    "dummy",
    "sample",
    "foobar",
    "abc123",
    "****",
    "••••",
    "...",
    "…",
    "<",
    "${",
    "{{",
    "$(",
    "%(",
    "#{",
    "process.env",
    "os.environ",
    "getenv",
    "secrets.",
    "env.",
    "vault:",
    "1234567890abcdef",
    "goes-here",
    "goes_here",
];

/// Example passwords of guides, and words for passwords.
const GUIDES: &[&str] = &[
    "pass",
    "pw",
    "pwd",
    "postgres",
    "root",
    "admin",
    "guest",
    "user",
    "username",
    "test",
    "mysql",
    "redis",
    "none",
    "null",
    "true",
    "false",
    "undefined",
    "string",
    "text",
    "mongo",
    "rabbitmq",
    "minio",
    "demo",
    "yes",
    "prompt",
    "required",
];

impl Value {
    /// `quoted` means that the value is in quotes, so it is not an expression of a program.
    pub(super) fn fits(self, bytes: &[u8], quoted: bool) -> bool {
        // A password in another encoding is judged by its ASCII part.
        let text = String::from_utf8_lossy(bytes);
        let value = text.trim();
        match self {
            Self::Any => true,
            Self::Line => !is_placeholder(value),
            Self::Set => !is_placeholder(value) && !is_guide(value) && (quoted || !is_expression(value)),
            Self::Password => is_password(value, quoted),
            Self::Random => is_random(value) && entropy(value) >= 3.0,
            Self::Strong => is_random(value) && is_mixed(value) && entropy(value) >= 3.5,
            Self::Token => is_random(value),
            Self::Basic => is_basic(value),
        }
    }
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    PLACEHOLDERS.iter().any(|part| lower.contains(part)) || is_variable(value)
}

/// True for `$NAME` and `%NAME%`.
fn is_variable(value: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.contains(|c: char| c.is_ascii_digit())
    };
    value.strip_prefix('$').is_some_and(is_name)
        || value.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).is_some_and(is_name)
}

fn is_guide(value: &str) -> bool {
    let lower = value.to_lowercase();
    GUIDES.contains(&lower.as_str())
        || ["password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "api-key", "mypass"]
            .iter()
            .any(|word| lower.contains(word))
}

/// True for a call, an index, a dotted name or a path in a program, as in `password = config.password`.
fn is_expression(value: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    value.contains(['(', ')', '[', ']', '{', '}'])
        || value.contains("->")
        || value.contains("::")
        || value.contains('.') && value.split('.').all(is_identifier)
}

fn is_path_or_link(value: &str) -> bool {
    value.contains("://")
        || value.starts_with(['/', '\\'])
        || value.starts_with("./")
        || value.starts_with("~/")
        || value.starts_with("../")
        || matches!(value.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic())
}

fn is_password(value: &str, quoted: bool) -> bool {
    let value =
        if quoted { value } else { value.trim_end_matches(['.', ',', ';', ':', '?', '!', ')', '*', '_']) };
    let has = |sort: fn(char) -> bool| value.contains(sort);
    if value.len() < PASSWORD_MIN
        || has(char::is_whitespace)
        || is_placeholder(value)
        || is_path_or_link(value)
        || !quoted && is_expression(value)
    {
        return false;
    }
    // `password2 = password1` compares two fields.
    let lower = value.to_lowercase();
    let rest = ["password", "passwd", "pass", "pwd"].iter().find_map(|name| lower.strip_prefix(name));
    if rest.is_some_and(|rest| rest.trim_start_matches(['_', '-']).len() <= 1) {
        return false;
    }
    let sign = |c: char| {
        matches!(c, '!' | '@' | '#' | '$' | '%' | '^' | '&' | '*' | '+' | '?' | '~' | '|' | '\\' | '=')
    };
    let letter = has(char::is_alphabetic);
    has(|c| c.is_ascii_digit()) || letter && value.contains(sign)
}

fn is_random(value: &str) -> bool {
    let has = |sort: fn(char) -> bool| value.contains(sort);
    value.len() >= RANDOM_MIN
        && !has(char::is_whitespace)
        && has(|c| c.is_ascii_digit())
        && has(|c| c.is_ascii_alphabetic())
        && !is_placeholder(value)
        && !is_path_or_link(value)
        && !is_wordy(value)
}

/// True for words and short numbers with signs between them: `chapter-01-introduction`.
fn is_wordy(value: &str) -> bool {
    value
        .split(|c: char| !c.is_ascii_alphanumeric())
        .all(|part| part.chars().all(|c| c.is_ascii_alphabetic()) || part.len() <= 4)
}

/// True for a mix of upper and lower case, or for hexadecimal with the length of a key.
fn is_mixed(value: &str) -> bool {
    let has = |sort: fn(char) -> bool| value.contains(sort);
    let hex = value.len() >= 32 && value.chars().all(|c| c.is_ascii_hexdigit());
    hex || has(|c| c.is_ascii_lowercase()) && has(|c| c.is_ascii_uppercase())
}

/// Shannon entropy in bits per character.
#[expect(clippy::cast_precision_loss, reason = "values are short")]
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = value.len() as f64;
    let part = |count: &u32| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(part).sum()
}

/// True for `ann:hunter2` in base64.
fn is_basic(value: &str) -> bool {
    let decoded = BASE64_NOPAD.decode(value.trim_end_matches('=').as_bytes()).unwrap_or_default();
    std::str::from_utf8(&decoded).is_ok_and(|login| {
        login.split_once(':').is_some_and(|(name, password)| !name.is_empty() && password.len() >= 3)
            && !login.contains(char::is_control)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_distinguished_from_words_and_expressions() {
        for value in
            ["hunter2", "hunter2-Prod99", "S3cret!", "swordfish#", "p@ssword1x", "20260101", "Grüße42"]
        {
            assert!(Value::Password.fits(value.as_bytes(), false), "{value}");
        }
        for value in [
            "swordfish",
            "Swordfish!",
            "input()",
            "user.password",
            "req.body.pw1",
            "password1",
            "$DB_PASS",
            "${PW1}",
            "<your-password-1>",
            "YOUR_PASSWORD_1",
            "/run/secrets/db1",
            "https://x.example/1",
            "a1",
            "models[0]",
            "********",
        ] {
            assert!(!Value::Password.fits(value.as_bytes(), false), "{value}");
        }
        assert!(Value::Password.fits(b"p(4)ss[w]", true));
    }

    #[test]
    fn a_random_value_is_distinguished_from_names() {
        for value in ["1//0gabcdefghijklmn", "0123456789abcdef", "550e8400-e29b-41d4-a716-446655440000"] {
            assert!(Value::Random.fits(value.as_bytes(), true), "{value}");
        }
        for value in [
            "chapter-01-introduction",
            "get_token_from_header_v2",
            "aaaaaaaaaaaaaaa1",
            "https://a.example/1234567890",
        ] {
            assert!(!Value::Random.fits(value.as_bytes(), true), "{value}");
        }
    }
}
