//! Finds secrets by the shape of a text: tables of logins, files of settings, seed phrases, keys without their first
//! line.

use std::collections::HashSet;
use std::sync::LazyLock;

use bip39::{Language, Mnemonic};
use data_encoding::BASE64_NOPAD;

use super::finding::Finding;
use super::value::Value;

/// How many lines are tried as the header of a table.
const HEADS: usize = 30;
/// The greatest length of a header line, in bytes.
const HEAD_MAX: usize = 1000;
/// How many rows after the header are checked.
const ROWS: usize = 50;
/// A header without rows has at least this many columns.
const HEAD_ALONE: usize = 3;
/// The greatest length of a column name, in bytes.
const COLUMN_MAX: usize = 40;
/// This many lines with logins make a list, whatever else the text contains.
const LOGINS: usize = 2;
/// The least number of words of a seed phrase.
const SEED_MIN: usize = 12;
/// How many base64 characters are decoded to recognise a key: thirty bytes.
const KEY_HEAD: usize = 40;

/// Names of columns with secrets, normalised by [`plain`].
const SECRET_COLUMNS: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "motdepasse",
    "contraseña",
    "contrasena",
    "senha",
    "пароль",
    "密码",
    "密碼",
    "口令",
    "パスワード",
    "비밀번호",
    "totp",
    "otp",
    "otpauth",
    "otpsecret",
    "logintotp",
    "secret",
    "secretdata",
    "secretkey",
    "secretaccesskey",
    "apikey",
    "token",
    "accesstoken",
    "privatekey",
    "pin",
    "pinnumber",
    "ccnumber",
    "cvv",
    "cvc",
    "recoverycodes",
];

/// Names of the other columns of such a table, normalised by [`plain`].
const LOGIN_COLUMNS: &[&str] = &[
    "url",
    "urls",
    "uri",
    "website",
    "web",
    "site",
    "web site",
    "websites",
    "hostname",
    "host",
    "server",
    "domain",
    "origin",
    "httprealm",
    "formactionorigin",
    "loginuri",
    "loginurl",
    "username",
    "user",
    "userid",
    "login",
    "loginname",
    "loginusername",
    "email",
    "emailaddress",
    "mail",
    "account",
    "accountname",
    "name",
    "title",
    "service",
    "app",
    "application",
    "benutzer",
    "benutzername",
    "konto",
    "utilisateur",
    "usuario",
    "usuário",
    "логин",
    "账号",
    "帐号",
    "用户名",
    "用户",
    "网站",
    "网址",
    "ユーザー名",
    "accesskeyid",
    "accesskey",
    "ssid",
    "network",
    "card",
    "cardnumber",
    "grouping",
    "folder",
    "id",
];

/// The first secret that the shape of a text reveals.
pub(super) fn scan(text: &[u8]) -> Option<Finding> {
    let found = |rule, what, at| Finding::at(rule, what, text, at);
    if let Some(at) = key_body(text) {
        return Some(found("private-key-body", "a private key", at));
    }
    if let Some(at) = seed_phrase(text) {
        return Some(found("seed-phrase", "the seed phrase of a wallet", at));
    }
    let lossy = String::from_utf8_lossy(text);
    let lines: Vec<&str> = lossy.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    let whole = |rule, what| Some(Finding { rule, what, place: String::new() });
    // Tabs at the ends of a row are empty cells.
    let rows =
        lossy.split(['\n', '\r']).map(|row| row.trim_matches(|c: char| c.is_whitespace() && c != '\t'));
    let rows: Vec<&str> = rows.filter(|row| !row.is_empty()).collect();
    if is_login_table(&rows) {
        return whole("login-table", "a table of passwords");
    }
    let content = || lines.iter().filter(|line| !line.starts_with(['#', ';']));
    content().next()?;
    if content().all(|line| is_setting(line)) {
        return whole("settings", "settings of a program");
    }
    if let Some(line) = content().find(|line| is_pgpass(line)) {
        let at = text.windows(line.len()).position(|window| window == line.as_bytes()).unwrap_or_default();
        return Some(found("pgpass", "the password of a database", at));
    }
    let all = content().count();
    let some = |test: fn(&str) -> bool| {
        let count = content().filter(|line| test(line)).count();
        count >= LOGINS || count * 2 >= all
    };
    if some(is_account) {
        return whole("accounts", "accounts of a computer");
    }
    if some(is_login) || some(is_htpasswd) {
        return whole("login-list", "a list of logins");
    }
    None
}

/// True for a line of an `.env` file: an upper-case name, and `=` without spaces.
fn is_setting(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.split_once('=').is_some_and(|(name, value)| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            && !value.starts_with(' ')
    })
}

/// True for `name:x:0:0:…` of `/etc/passwd` and `name:$6$…:19000:…` of `/etc/shadow`.
fn is_account(line: &str) -> bool {
    let parts: Vec<&str> = line.split(':').collect();
    let [name, _, third, ..] = parts.as_slice() else { return false };
    parts.len() >= 7
        && !name.is_empty()
        && !name.contains(char::is_whitespace)
        && !third.is_empty()
        && third.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for `ann@example.com:hunter2`, the form of leaked login lists.
fn is_login(line: &str) -> bool {
    let Some((address, password)) = line.split_once([':', ';', '|']) else { return false };
    let is_address =
        address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    // `git@host.example:path` is not a login.
    is_address && password.len() >= 4 && !password.contains('/') && !line.contains(char::is_whitespace)
}

/// True for `ann:rl9FTPSx1aT2E`, the traditional hash of 13 characters.
fn is_htpasswd(line: &str) -> bool {
    let Some((name, hash)) = line.split_once(':') else { return false };
    let of_hash = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/');
    !name.is_empty()
        && !name.contains(char::is_whitespace)
        && hash.len() == 13
        && hash.chars().all(of_hash)
        && hash.contains(|c: char| c.is_ascii_uppercase())
        && hash.contains(|c: char| c.is_ascii_lowercase())
}

/// True for `host:port:database:user:password`.
fn is_pgpass(line: &str) -> bool {
    let parts: Vec<&str> = line.splitn(5, ':').collect();
    let [host, port, database, user, password] = parts.as_slice() else { return false };
    let is_port =
        *port == "*" || (2..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    is_port
        && [host, database, user].into_iter().all(|name| is_name(name))
        && [database, user]
            .into_iter()
            .all(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '*' || c == '_'))
        && password.len() >= 3
        && !password.starts_with(' ')
}

/// True if a header names a column of passwords and a row has one, or if the text is only the header of such a table.
fn is_login_table(lines: &[&str]) -> bool {
    let mut heads = lines.iter().enumerate().filter(|(_, line)| may_be_head(line)).take(HEADS);
    heads.any(|(number, head)| {
        [',', ';', '\t', '|'].into_iter().any(|delimiter| {
            let names = cells(head, delimiter);
            if names.len() < 2
                || names.iter().any(|name| name.len() > COLUMN_MAX || name.split(' ').count() > 4)
            {
                return false;
            }
            let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
            let Some(column) = names.iter().position(|name| is_secret_column(name)) else { return false };
            let is_login = names
                .iter()
                .enumerate()
                .any(|(at, name)| at != column && LOGIN_COLUMNS.contains(&name.as_str()));
            if lines.len() == 1 && is_login && names.len() >= HEAD_ALONE {
                return true;
            }
            let rows = lines.iter().skip(number + 1).take(ROWS).map(|row| cells(row, delimiter));
            rows.filter(|row| row.len() == names.len()).any(|row| {
                let value = row.get(column).map(|cell| cell.trim()).unwrap_or_default();
                let is_rule = value.chars().all(|c| matches!(c, '-' | ':' | '=' | '+'));
                let is_value = !is_rule && (delimiter != '|' || !value.contains(' '));
                is_value
                    && (is_login && Value::Line.fits(value.as_bytes(), true)
                        || Value::Password.fits(value.as_bytes(), true))
            })
        })
    })
}

fn may_be_head(line: &str) -> bool {
    line.len() <= HEAD_MAX && line.contains([',', ';', '\t', '|']) && {
        let plain = plain(line);
        SECRET_COLUMNS.iter().any(|column| plain.contains(column))
    }
}

fn is_secret_column(name: &str) -> bool {
    SECRET_COLUMNS.contains(&name)
        || ["password", "passwd", "passwort", "secretkey", "密码"].iter().any(|ending| name.ends_with(ending))
}

/// Keeps only letters and digits, in lower case: `Login Name` becomes `loginname`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The cells of a row without their quotes.
fn cells(row: &str, delimiter: char) -> Vec<String> {
    let row = if delimiter == '|' { row.trim_matches('|') } else { row };
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for c in row.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c == delimiter && !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

static SEED_WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| Language::English.word_list().iter().copied().collect());

/// The position of a run of words from the list for seed phrases. A sentence would contain an article or a
/// preposition in a run of this length, and a refrain has few different words.
fn seed_phrase(text: &[u8]) -> Option<usize> {
    let (mut run, mut start): (Vec<String>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while at <= text.len() {
        let rest = text.get(at..).unwrap_or_default();
        // Letters outside ASCII count as letters, so a word with one is not in the list.
        let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
        let length = rest.iter().position(|byte| !is_letter(byte)).unwrap_or(rest.len());
        if length > 0 || rest.is_empty() {
            let word = rest.get(..length).filter(|_| (3..=8).contains(&length)).unwrap_or_default();
            let word = String::from_utf8_lossy(word).to_ascii_lowercase();
            if SEED_WORDS.contains(word.as_str()) {
                if run.is_empty() {
                    start = at;
                }
                run.push(word);
            } else {
                if is_seed(&run) {
                    return Some(start);
                }
                run.clear();
            }
        }
        at += length + 1;
    }
    None
}

fn is_seed(run: &[String]) -> bool {
    if run.len() < SEED_MIN {
        return false;
    }
    let different = run.iter().collect::<HashSet<_>>().len();
    different >= SEED_MIN - 2 || Mnemonic::parse_in_normalized(Language::English, &run.join(" ")).is_ok()
}

/// The position of base64 that decodes to the start of a private key.
fn key_body(text: &[u8]) -> Option<usize> {
    // Every key starts with an ASN.1 sequence, whose first base64 character is `M`.
    let mut starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'M').map(|(at, _)| at);
    starts.find(|at| {
        let follows = text.get(at + 1).is_some_and(|byte| (b'A'..=b'J').contains(byte));
        follows && is_private_key(&base64_head(text.get(*at..).unwrap_or_default()))
    })
}

/// Decodes the first characters of either base64 alphabet. Skips line breaks.
fn base64_head(text: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(KEY_HEAD);
    for byte in text.iter().take(2 * KEY_HEAD) {
        match byte {
            b'\r' | b'\n' => {}
            b'-' => head.push(b'+'),
            b'_' => head.push(b'/'),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => head.push(*byte),
            _ => break,
        }
        if head.len() == KEY_HEAD {
            break;
        }
    }
    BASE64_NOPAD.decode(&head).unwrap_or_default()
}

/// Recognises PKCS#1, PKCS#8 (also encrypted), SEC1 and PKCS#12 by their first DER fields.
fn is_private_key(der: &[u8]) -> bool {
    let header = match der {
        [0x30, length, ..] if *length < 0x80 => 2,
        [0x30, 0x81, ..] => 3,
        [0x30, 0x82, ..] => 4,
        [0x30, 0x83, ..] => 5,
        _ => return false,
    };
    match der.get(header..).unwrap_or_default() {
        [2, 1, 0, 2, length, ..] => *length >= 0x40,
        [2, 1, 0 | 1, 0x30, _, 6, ..]
        | [2, 1, 1, 4, 16..=128, ..]
        | [2, 1, 3, 0x30, 0x80..=0x84, ..]
        | [0x30, _, 6, _, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5 | 12, ..] => true,
        _ => false,
    }
}
