//! Texts that are no texts: keys, passwords, settings, and archives of other things. Where an endpoint takes any
//! text, the type says nothing, and a model can be talked into sending the wrong file.

/// Marks of a private key, in any of the usual forms.
const KEYS: &[&str] = &[
    "PRIVATE KEY-----",
    "PRIVATE KEY BLOCK-----",
    "PRIVATE KEY ----",
    "PuTTY-User-Key-File-",
    "AGE-SECRET-KEY-1",
];

/// How access keys of well-known services begin, and how long the rest is at least.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AIza", 35),
    ("sk_live_", 20),
    ("sk-ant-", 20),
    ("sk-api-", 20),
    ("sk-proj-", 20),
    ("npm_", 30),
    ("hf_", 30),
    ("eyJhbGciOi", 40),
];

/// Words in the names of things that nobody else should know.
const NAMES: &[&str] = &[
    "secret",
    "password",
    "passwd",
    "token",
    "apikey",
    "privatekey",
    "accesskey",
    "authkey",
    "credential",
    "clientkeydata",
];

/// The shortest value that counts as a secret beside such a name.
const LEAST: usize = 16;

/// What a text seems to hold that must not be sent anywhere; in words that say nothing of its content.
pub(crate) fn found(text: &str) -> Option<&'static str> {
    if KEYS.iter().any(|mark| text.contains(mark)) {
        return Some("a private key");
    }
    if text.split(|c: char| !is_of_token(c)).any(is_token) || text.lines().any(tells_secret) {
        return Some("an access key or a password");
    }
    let lines =
        || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines().next()?;
    if lines().all(is_setting) {
        return Some("settings");
    }
    let logins = lines().filter(|line| is_login(line)).count();
    (logins > 0 && logins * 2 >= lines().count()).then_some("accounts of a computer")
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn is_token(word: &str) -> bool {
    TOKENS.iter().any(|(start, least)| word.strip_prefix(start).is_some_and(|rest| rest.len() >= *least))
}

fn tells_secret(line: &str) -> bool {
    is_netrc(line) || line.split([',', '{', ';', '&']).any(assigns_secret)
}

/// `name = value`, `"name": "value"`, `name: value`: with a telling name and a value that no sentence has.
fn assigns_secret(part: &str) -> bool {
    let Some((name, value)) = part.split_once(['=', ':']) else { return false };
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let value =
        value.trim_start_matches(['=', ':', '>', ' ', '\t']).trim_matches(['"', '\'', ',', ' ', '\t', '\r']);
    plain.len() <= 64 && NAMES.iter().any(|word| plain.ends_with(word)) && is_random(value)
}

fn is_random(value: &str) -> bool {
    let has = |sort: fn(char) -> bool| value.contains(sort);
    value.len() >= LEAST
        && !has(char::is_whitespace)
        && has(|c| c.is_ascii_digit())
        && has(|c| c.is_ascii_alphabetic())
}

fn is_netrc(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.first().is_some_and(|first| matches!(*first, "machine" | "default" | "login"))
        && words.iter().rev().nth(1).is_some_and(|word| *word == "password")
}

/// A line of an `.env` file: an upper-case name, `=` and no space around it.
fn is_setting(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.split_once('=').is_some_and(|(name, value)| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            && !value.starts_with(' ')
    })
}

/// `name:x:0:0:…` of `/etc/passwd`, `name:$6$…:19000:…` of `/etc/shadow`.
fn is_login(line: &str) -> bool {
    let parts: Vec<&str> = line.split(':').collect();
    let [name, _, third, ..] = parts.as_slice() else { return false };
    parts.len() >= 7
        && !name.is_empty()
        && !name.contains(char::is_whitespace)
        && !third.is_empty()
        && third.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a ZIP file holds texts of one sort and nothing else, by the names in it; what it is instead.
pub(crate) fn texts_alone(zip: &[u8]) -> Result<(), String> {
    let damaged = || "a ZIP file that cannot be read".to_owned();
    let archive = rawzip::ZipArchive::from_slice(zip).map_err(|_| damaged())?;
    let (mut entries, mut sort) = (archive.entries(), None);
    while let Some(entry) = entries.next_entry().map_err(|_| damaged())? {
        let name = String::from_utf8_lossy(entry.file_path().as_ref()).to_lowercase();
        // Beside every file, the Finder packs its own notes.
        if entry.is_dir() || name.starts_with("__macosx/") {
            continue;
        }
        let hidden = name.split(['/', '\\']).any(|part| part.starts_with('.'));
        let found = ["txt", "json"].into_iter().find(|sort| name.ends_with(&format!(".{sort}")));
        if hidden || found.is_none() || sort.is_some_and(|sort| Some(sort) != found) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
            return Err(format!("a ZIP file with {shown} in it"));
        }
        sort = found;
    }
    sort.map(|_| ()).ok_or_else(|| "a ZIP file without texts".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_passwords_and_settings_are_told_from_texts() {
        let late = format!("{}\n-----BEGIN RSA PRIVATE KEY-----\n", "A harmless line.\n".repeat(1000));
        for (text, what) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n", "a private key"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "a private key"),
            ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", "a private key"),
            ("PuTTY-User-Key-File-3: ssh-ed25519\n", "a private key"),
            ("# created: 2026\nAGE-SECRET-KEY-1QQPQ\n", "a private key"),
            (
                r#"{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nMII"}"#,
                "a private key",
            ),
            (&late, "a private key"),
            ("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", "an access key or a password"),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "an access key or a password",
            ),
            ("    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURQ==", "an access key or a password"),
            (r#"  "refresh_token": "1//0gabcdefghijklmn","#, "an access key or a password"),
            (r#"{"user":"ann","auth":{"access_token":"0123456789abcdef"}}"#, "an access key or a password"),
            ("machine api.example.com login ann password hunter2", "an access key or a password"),
            ("See ghp_abcdefghijklmnopqrstuvwxyz0123456789.", "an access key or a password"),
            ("# mine\nexport DB_HOST=localhost\nDB_PASSWORD=hunter2\n\n", "settings"),
            (
                "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n",
                "accounts of a computer",
            ),
            ("root:$6$salt$hash:19000:0:99999:7:::\n", "accounts of a computer"),
        ] {
            assert_eq!(found(text), Some(what), "{text}");
        }
        for text in [
            "",
            "\n\n",
            "# A chapter\n\nThe secret: nobody had ever asked for the password.\n",
            "Password: swordfish, he said, and the door opened.",
            "The token was 1234567890 and the key lay under the mat.",
            "A = B, said the teacher.\nX=1",
            "At 12:30:45 the train left. Score: 3:2:1.",
            "He sat between machine and password.",
            "AKIA is a word. ghp_ too. sk-api- is a beginning.",
            "Ein Fuchs: »Wer bist du?«\nEin Bär: »Ich.«\n",
            "1:2:3:4:5:6:7 counts the clock, and then there are\nmany\nother\nlines.",
            "Secret: https://example.com/a-long-address-without-numbers",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
