//! Tests of the search for secrets in texts and media files.

use std::io::Cursor;

use super::*;

fn rule(text: &[u8]) -> Option<&'static str> {
    super::text(text).map(|found| found.rule)
}

#[test]
fn keys_passwords_and_settings_are_distinguished_from_texts() {
    let late = format!("{}\n-----BEGIN RSA PRIVATE KEY-----\n", "A harmless line.\n".repeat(1000));
    for (text, expected) in [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n", "private-key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "private-key"),
        ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", "private-key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "putty-key"),
        ("# created: 2026\nAGE-SECRET-KEY-1QQPQ\n", "age-key"),
        (r#"{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nMII"}"#, "private-key"),
        (&late, "private-key"),
        ("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", "aws-access-key"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws-secret-key"),
        ("    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURQ==", "named-secret"),
        (r#"  "refresh_token": "1//0gabcdefghijklmn","#, "named-secret"),
        (r#"{"user":"ann","auth":{"access_token":"0123456789abcdef"}}"#, "named-secret"),
        ("machine api.example.com login ann password hunter2", "netrc"),
        ("See ghp_abcdefghijklmnopqrstuvwxyz0123456789.", "github-token"),
        ("# mine\nexport DB_HOST=localhost\nDB_PORT=5432\n\n", "settings"),
        ("root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n", "accounts"),
        ("root:$6$saltsalt$hashhashhash:19000:0:99999:7:::\n", "password-hash"),
    ] {
        assert_eq!(rule(text.as_bytes()), Some(expected), "{text}");
    }
    for text in [
        "",
        "\n\n",
        "# A chapter\n\nThe secret: no one had ever asked for the password.\n",
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
        assert_eq!(super::text(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_finding_names_the_place_and_does_not_show_the_secret() {
    let found = super::text(b"one\ntwo\npassword: hunter2-Prod99\n").unwrap();
    assert_eq!((found.rule, found.what, found.place.as_str()), ("password", "a password", ", line 3"));
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn a_secret_is_found_at_any_place_of_a_long_text() {
    let filler = "He sat between machine and password, and the key lay under the mat.\n";
    for before in [0, 1, 7, 63, 117, 118, 119, 120, 121, 500, 5000] {
        for secret in ["password: hunter2-Prod99", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"] {
            let text = format!("{}{secret}\n{}", filler.repeat(before), filler.repeat(300));
            assert!(super::text(text.as_bytes()).is_some(), "{before} {secret}");
        }
    }
}

#[test]
fn a_secret_in_a_media_file_is_found_at_any_place() {
    let noise = |length: usize| -> Vec<u8> {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u8::try_from(state % 256).unwrap()
        };
        (0..length).map(|_| next()).collect()
    };
    let scan = |bytes: &[u8]| media(&mut Cursor::new(bytes)).unwrap();
    assert_eq!(scan(&noise(9_000_000)), None);
    assert_eq!(scan(b""), None);
    let key = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA".as_slice();
    let wide: Vec<u8> = key.iter().flat_map(|byte| [*byte, 0]).collect();
    for secret in [key, &wide] {
        for before in [0, 1000, CHUNK - 10, CHUNK, CHUNK + TAIL - 10, 3 * CHUNK - 1] {
            let bytes = [&noise(before), secret, &noise(CHUNK)].concat();
            assert!(scan(&bytes).is_some(), "{before}");
        }
    }
    let export = b"name,url,username,password\nbank,https://bank.example,ann,letmein\n";
    let found = scan(&[&noise(5000)[..], b"\xff\xd9", export].concat()).unwrap();
    assert_eq!((found.rule, found.place.as_str()), ("login-table", ", behind its end"));
}

/// The processor time of this thread, which does not depend on what else the machine does.
#[cfg(unix)]
fn processor_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Wall-clock time, on systems where the processor time of a thread is not available.
#[cfg(not(unix))]
fn processor_time() -> std::time::Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// Code that is not linear would take minutes.
#[test]
fn texts_that_are_crafted_to_slow_the_scan_down_do_not() {
    let started = processor_time();
    for part in [
        "password=",
        "token: ",
        "\"kty\":",
        "://a:",
        "M",
        "MIIE",
        "abandon ",
        "eyJ",
        "a,password\n",
        "-----BEGIN ",
        "login: a\n",
    ] {
        let text = part.repeat(2_000_000 / part.len());
        let _ = super::text(text.as_bytes());
    }
    let taken = processor_time().saturating_sub(started);
    assert!(taken.as_secs() < 60, "{taken:?}");
}
