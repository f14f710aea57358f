//! Cleans the text of a setting: clients, shells and `docker --env-file` leave quotes and placeholders in it.

/// The settings that hold a key.
pub(super) const KEY: &str = "MINIMAX_API_KEY";
pub(super) const PLAN_KEY: &str = "MINIMAX_PLAN_KEY";

/// Quotes that wrap a value, with their partners.
const QUOTES: &[(char, char)] = &[
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('”', '”'),
    ('‘', '’'),
    ('‚', '‘'),
    ('’', '’'),
    ('«', '»'),
    ('「', '」'),
];

/// Brackets that guides put around a placeholder for a key. Some users keep them around the key.
const BRACKETS: &[(char, char)] = &[('<', '>'), ('[', ']'), ('(', ')'), ('{', '}')];

/// Beginnings of keys that MiniMax gives out.
const KEY_STARTS: &[&str] = &["sk-", "eyJ"];

/// Texts that people paste in front of a key, in lower case.
const KEY_PREFIXES: &[&str] = &[
    "export ",
    "set ",
    "minimax_api_key=",
    "minimax_api_key:",
    "minimax_plan_key=",
    "minimax_plan_key:",
    "authorization:",
    "bearer ",
    "bearer:",
    "x-api-key:",
    "api_key=",
    "api_key:",
    "apikey=",
    "apikey:",
    "key=",
    "key:",
];

/// Ends of lines that people paste together with a key.
const KEY_ENDS: &[char] = &[',', ';'];

/// Beginnings of references to a value that another program should have looked up.
const REFERENCES: &[&str] =
    &["op://", "env:", "env.", "process.env", "os.environ", "secrets.", "vault:", "input:", "!secret "];

/// The texts that JavaScript and Python write for a variable that is not set.
const UNSET: &[&str] = &["null", "undefined", "None"];

/// Words that mark a text as a placeholder.
const TELLING: &[&str] = &[
    "your",
    "insert",
    "paste",
    "enter",
    "put",
    "replace",
    "replaceme",
    "change",
    "changeme",
    "fill",
    "todo",
    "fixme",
    "tbd",
    "placeholder",
    "yourkey",
    "yourapikey",
    "bearer",
];

/// Words that occur together with a word of [`TELLING`].
const FILLERS: &[&str] = &[
    "a",
    "actual",
    "api",
    "apikey",
    "code",
    "cp",
    "file",
    "folder",
    "goes",
    "group",
    "hailuo",
    "here",
    "host",
    "id",
    "in",
    "it",
    "mcp",
    "server",
    "key",
    "me",
    "minimax",
    "model",
    "my",
    "name",
    "of",
    "own",
    "password",
    "path",
    "plan",
    "real",
    "region",
    "secret",
    "set",
    "sk",
    "subscription",
    "the",
    "this",
    "to",
    "token",
    "url",
    "value",
    "voice",
    "with",
    "xxx",
];

/// The text without blanks, line ends, invisible marks, and the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    let mut text = blank_trimmed(text);
    loop {
        let inner = QUOTES.iter().find_map(|(open, close)| {
            let inner = text.strip_prefix(*open)?.strip_suffix(*close)?;
            // In `"a","b"` the outer quotes do not belong together.
            (!inner.contains([*open, *close])).then_some(inner)
        });
        match inner {
            Some(inner) => text = blank_trimmed(inner),
            None => return text,
        }
    }
}

fn blank_trimmed(text: &str) -> &str {
    text.trim_matches(|letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || "\u{feff}\u{200b}\u{200e}\u{200f}\u{2060}".contains(letter)
    })
}

/// The text of a key setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyText {
    /// Nothing is left after the cleaning.
    Empty,
    /// A placeholder instead of a key, in a form that may be shown.
    Placeholder(String),
    /// It has a blank or a character that no key has.
    Unusable,
    /// The key alone.
    Key(String),
}

/// Finds the key in a text that may have quotes, `Bearer` or the name of the setting around it.
pub(super) fn key(text: &str) -> KeyText {
    let mut key = text;
    loop {
        let before = key;
        key = blank_trimmed(key);
        for line_end in ["\\n", "\\r"] {
            key = key.strip_suffix(line_end).unwrap_or(key);
        }
        // No key has a quote, so a quote without its partner goes too.
        key = key.trim_matches(|letter| {
            letter == '\\' || QUOTES.iter().any(|pair| pair.0 == letter || pair.1 == letter)
        });
        key = key.trim_end_matches(KEY_ENDS);
        for prefix in KEY_PREFIXES {
            let start = key.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
            key = start.and_then(|_| key.get(prefix.len()..)).unwrap_or(key);
        }
        for (open, close) in BRACKETS {
            let inner = key.strip_prefix(*open).and_then(|inner| inner.strip_suffix(*close));
            let filled = inner.filter(|inner| KEY_STARTS.iter().any(|start| inner.trim().starts_with(start)));
            key = filled.unwrap_or(key);
        }
        if key == before {
            break;
        }
    }
    if key.is_empty() {
        return KeyText::Empty;
    }
    if key.contains("...") || key.contains(['…', '*', '•']) {
        // It may be the shortened form of a real key, so it is not shown.
        return if is_masked(key) {
            KeyText::Placeholder(shown(key))
        } else {
            KeyText::Placeholder("a shortened key, with dots or stars".to_owned())
        };
    }
    let upper = key.to_ascii_uppercase();
    let names_setting = [KEY, PLAN_KEY].iter().any(|name| upper.contains(name));
    let is_unset = UNSET.iter().any(|word| key.eq_ignore_ascii_case(word));
    if is_placeholder(key) || is_unset || names_setting || key.starts_with('$') {
        return KeyText::Placeholder(shown(key));
    }
    if !key.chars().all(|letter| letter.is_ascii_graphic()) {
        return KeyText::Unusable;
    }
    KeyText::Key(key.to_owned())
}

/// What is wrong with a text that is [`KeyText::Unusable`].
pub(super) const UNUSABLE_KEY: &str = "has a space, or a letter that no key has; must be the key alone, as \
                                       platform.minimax.io or platform.minimax.cn shows it";

/// The beginning of a placeholder, in backticks.
pub(super) fn shown(text: &str) -> String {
    let end = if text.chars().count() > 60 { "…" } else { "" };
    format!("`{}{end}`", text.chars().take(60).collect::<String>().replace('`', "'"))
}

/// Whether a value was never filled in.
pub fn is_placeholder(text: &str) -> bool {
    is_reference(text) || is_bracketed(text) || is_masked(text) || is_phrase(text) || UNSET.contains(&text)
}

/// A variable or command that was not expanded, such as `${KEY}`, `$KEY`, `%KEY%`, `{{KEY}}`, `$(pass key)`.
pub(super) fn is_reference(text: &str) -> bool {
    let within = |open: &str, close: &str| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).filter(|inner| !inner.is_empty())
    };
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_:.- ".contains(letter))
    };
    // A password may begin with `$`, so only what looks like a variable's name counts.
    let is_variable = |name: &str| {
        is_name(name)
            && (name.chars().all(|letter| !letter.is_ascii_lowercase())
                || name.chars().all(|letter| !letter.is_ascii_digit()))
    };
    // `${a}/b` as a whole is not a placeholder; `${a}${b}` is.
    let wrapped = [("${", "}"), ("$(", ")"), ("{{", "}}"), ("#{", "}"), ("<%", "%>")];
    wrapped.iter().any(|(open, close)| within(open, close).is_some())
        || text.strip_prefix('$').is_some_and(is_variable)
        || within("%", "%").is_some_and(is_name)
        || within("{", "}").is_some_and(is_name)
        || REFERENCES.iter().any(|start| text.starts_with(start))
}

/// `<insert your key>`, `[your key]`, `[API_KEY]`.
fn is_bracketed(text: &str) -> bool {
    let inner = |(open, close): &(char, char)| text.strip_prefix(*open)?.strip_suffix(*close);
    (text.starts_with('<') && text.ends_with('>') && text.len() > 2)
        || BRACKETS.iter().filter_map(inner).any(|inner| is_phrase(inner) || is_made_of_fillers(inner))
}

/// `xxxx`, `sk-…`, `sk-api-xxxx`, `****`.
fn is_masked(text: &str) -> bool {
    let rest = ["sk-api-", "sk-cp-", "sk-"].iter().find_map(|start| text.strip_prefix(start)).unwrap_or(text);
    let is_mask = |letter: char| "xX*•.…-_".contains(letter);
    rest.chars().all(is_mask) && (rest.chars().count() >= 3 || rest.contains('…'))
}

/// `API_KEY`: a text that consists only of fillers, used where brackets already mark a placeholder.
fn is_made_of_fillers(text: &str) -> bool {
    let mut words =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
    words.peek().is_some() && words.all(|word| FILLERS.contains(&word.to_lowercase().as_str()))
}

/// `your_api_key_here`, `REPLACE_ME`, `sk-api-your-key`: only words of [`FILLERS`] and [`TELLING`], with at least one of the
/// latter.
fn is_phrase(text: &str) -> bool {
    let mut words = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase);
    let is_x = |word: &str| word.len() >= 3 && word.chars().all(|letter| letter == 'x');
    let mut tells = false;
    let known = words.all(|word| {
        let telling = TELLING.contains(&word.as_str()) || is_x(&word);
        tells |= telling;
        telling || FILLERS.contains(&word.as_str())
    });
    known && tells
}

#[cfg(test)]
mod tests;
