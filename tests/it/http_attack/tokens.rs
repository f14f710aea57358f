//! Attacks on the authentication of callers.

use super::stage::{ADA, on_stage, request};

#[test]
fn only_the_exact_token_in_the_authorization_header_is_accepted() {
    on_stage(|stage| {
        let basic = data_encoding::BASE64.encode(format!("ada:{ADA}").as_bytes());
        let digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(ADA));
        let bad: &[(&str, String)] = &[
            ("none", String::new()),
            ("empty", "Authorization:\r\n".into()),
            ("a scheme alone", "Authorization: Bearer\r\n".into()),
            ("a scheme and a space", "Authorization: Bearer \r\n".into()),
            ("no scheme", format!("Authorization: {ADA}\r\n")),
            ("its first half", format!("Authorization: Bearer {}\r\n", &ADA[..10])),
            ("one letter less", format!("Authorization: Bearer {}\r\n", &ADA[..ADA.len() - 1])),
            ("one letter more", format!("Authorization: Bearer {ADA}0\r\n")),
            ("twice in one", format!("Authorization: Bearer {ADA}{ADA}\r\n")),
            ("two of them", format!("Authorization: Bearer {ADA} {ADA}\r\n")),
            ("a list", format!("Authorization: Bearer x, Bearer {ADA}\r\n")),
            ("a list that begins well", format!("Authorization: Bearer {ADA}, Bearer x\r\n")),
            ("capitals", format!("Authorization: Bearer {}\r\n", ADA.to_uppercase())),
            ("a tab", format!("Authorization: Bearer\t{ADA}\r\n")),
            ("quoted", format!("Authorization: Bearer \"{ADA}\"\r\n")),
            ("escaped", format!("Authorization: Bearer {}\r\n", ADA.replace('-', "%2d"))),
            ("its name", "Authorization: Bearer ada\r\n".into()),
            ("its principal", "Authorization: Bearer token:ada\r\n".into()),
            ("its digest", format!("Authorization: Bearer {digest}\r\n")),
            ("the key", "Authorization: Bearer sk-api-\r\n".into()),
            ("Basic", format!("Authorization: Basic {basic}\r\n")),
            ("Digest", format!("Authorization: Digest {ADA}\r\n")),
            (
                "two headers, wrong first",
                format!("Authorization: Bearer x\r\nAuthorization: Bearer {ADA}\r\n"),
            ),
            (
                "two headers, right first",
                format!("Authorization: Bearer {ADA}\r\nAuthorization: Bearer x\r\n"),
            ),
            ("two headers, both right", format!("Authorization: Bearer {ADA}\r\n").repeat(2)),
            ("another header", format!("X-Api-Key: {ADA}\r\nProxy-Authorization: Bearer {ADA}\r\n")),
            ("a cookie", format!("Cookie: token={ADA}; Authorization=Bearer {ADA}\r\n")),
        ];
        for path in ["/mcp", "/sse", "/messages?sessionId=1"] {
            let method = if path == "/sse" { "GET" } else { "POST" };
            for (what, lines) in bad {
                let ask = format!(
                    "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: 0\r\n\r\n"
                );
                let answer = stage.program.ask(ask).unwrap();
                assert_eq!(answer.status, 401, "{what} at {path}");
                assert!(
                    answer.header("www-authenticate").is_some_and(|it| it.starts_with("bearer")),
                    "{what}"
                );
                assert!(!answer.text().contains("ada"), "{what}: {}", answer.text());
            }
            for query in ["access_token", "token", "authorization", "bearer"] {
                let join = if path.contains('?') { '&' } else { '?' };
                // A token in the URL must be refused, because URLs end up in the logs of proxies.
                let ask = format!(
                    "{method} {path}{join}{query}={ADA} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
                );
                assert_eq!(stage.program.ask(ask).unwrap().status, 401, "{query} at {path}");
            }
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn a_token_that_no_header_can_hold_is_refused_and_does_no_harm() {
    on_stage(|stage| {
        let ask = |token: &[u8]| {
            let head =
                b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer ";
            stage.program.ask([head, token, b"\r\n\r\n"].concat())
        };
        for bytes in [&b"\xff\xfe\xfd"[..], b"\xc3\xa4da-0123456789abcdef", b"ada-0123456789abcdef\x80"] {
            assert_eq!(ask(bytes).unwrap().status, 401);
        }
        for bytes in [&b"ada\0"[..], b"ada-0123456789abcdef\0", b"a\rb", b"ada\x7f"] {
            assert_eq!(ask(bytes).unwrap().status, 400, "{bytes:?}");
        }
        // A folded header line.
        assert_eq!(ask(b"\r\n ada-0123456789abcdef").unwrap().status, 400);
        assert_eq!(ask(&vec![b'x'; 30_000]).unwrap().status, 401);
        if let Some(answer) = ask(&vec![b'x'; 1 << 20]) {
            assert_eq!(answer.status, 431);
        }
    });
}

#[test]
fn the_token_is_accepted_in_the_forms_of_the_standard() {
    on_stage(|stage| {
        let body = request("ping", serde_json::json!({}));
        for line in [format!("Bearer {ADA}"), format!("bearer {ADA}"), format!("BEARER   {ADA}  ")] {
            let ask = format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nauthorization: {line}\r\n{}Content-Length: {}\r\n\r\n{body}",
                super::stage::TYPES,
                body.len()
            );
            assert_eq!(stage.program.ask(ask).unwrap().status, 200, "{line}");
        }
    });
}
