//! The origin of a request, and the host name that it uses.

use super::stage::{Process, on_stage};

/// All routes, including some that do not exist yet.
const ROUTES: &[(&str, &str)] = &[
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages?sessionId=1"),
    ("GET", "/files/a/b?expires=1&signature=x"),
    ("GET", "/files/../healthz"),
    ("POST", "/uploads"),
    ("DELETE", "/uploads/1/a.png"),
    ("GET", "/metrics"),
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/.well-known/oauth-protected-resource/mcp"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/"),
    ("OPTIONS", "/mcp"),
    ("OPTIONS", "*"),
];

fn status(program: &Process, method: &str, target: &str, lines: &[&str]) -> u16 {
    let lines: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
    let bytes =
        format!("{method} {target} HTTP/1.1\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n");
    program.ask(&bytes).unwrap_or_else(|| panic!("no answer to {bytes}")).status
}

#[test]
fn no_route_answers_to_a_foreign_host_name_in_any_spelling() {
    on_stage(|stage| {
        let program = &stage.program;
        let port = program.address.port();
        let with_port = format!("Host: 127.0.0.1.nip.io:{port}");
        let no_host: &[&[&str]] = &[
            &[],
            &["Host:"],
            &["Host: evil.example"],
            &["Host: 127.0.0.1.nip.io"],
            &[&with_port],
            &["Host: localhost.evil.example"],
            &["Host: localhost", "Host: localhost"],
            &["Host: localhost", "Host: evil.example"],
            &["Host: evil.example", "Host: localhost"],
            &["Host: localhost, evil.example"],
            &["Host: localhost evil.example"],
            &["Host: localhost:80:80"],
            &["Host: localhost:80@evil.example"],
            &["Host: localhost:http"],
            &["Host: localhost@evil.example"],
            &["Host: evil.example@localhost"],
            &["Host: http://localhost"],
            &["Host: localhost/"],
            &["Host: localhost#"],
            &["Host: localhost."],
            &["Host: 127.0.0.1."],
            &["Host: 127.1"],
            &["Host: 2130706433"],
            &["Host: 0x7f000001"],
            &["Host: 0177.0.0.1"],
            &["Host: 0.0.0.0"],
            &["Host: ::1"],
            &["Host: [::1"],
            &["Host: [::]"],
            &["Host: [::1%25lo]"],
            &["Host: [::ffff:127.0.0.1]"],
            &["Host: [0:0:0:0:0:0:0:1]"],
            &["Host: l\u{43e}calhost"],
            &["Host: xn--lcalhost-hof"],
            &["X-Forwarded-Host: localhost", "Forwarded: host=localhost"],
        ];
        for (method, path) in ROUTES {
            for lines in no_host {
                let status = status(program, method, path, lines);
                assert!([400, 403].contains(&status), "{method} {path} with {lines:?}: {status}");
            }
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

/// DNS rebinding: the page's own name now resolves to this machine, so the browser treats this server as the page's
/// own. It sends that name, and no Origin with a GET. Without a token, only the host check protects the tools.
#[test]
fn no_foreign_host_name_opens_a_server_without_a_token() {
    on_stage(|stage| {
        let dir = tempfile::tempdir().unwrap();
        let program = Process::start(&stage.sandbox.url(), dir.path(), &[("MINIMAX_MCP_TOKEN_FILE", "")]);
        let port = program.address.port();
        for name in [
            "rebind.example",
            "localtest.me",
            "a.localtest.me",
            "lvh.me",
            "127.0.0.1.nip.io",
            "127-0-0-1.nip.io",
            "7f000001.nip.io",
            "127.0.0.1.sslip.io",
            "--1.sslip.io",
            "localhost.localdomain",
            "localhost4",
            "ip6-localhost",
            "evil.localhost",
            "localhost.",
            "host.docker.internal",
            "127.0.0.2",
            "127.1",
            "127.255.255.254",
            "[::ffff:7f00:1]",
            "[fe80::1]",
            "0",
            "0.0.0.0",
        ] {
            for host in [format!("Host: {name}"), format!("Host: {name}:{port}")] {
                for origin in [None, Some(format!("Origin: http://{name}:{port}"))] {
                    for (method, path) in ROUTES {
                        let lines: Vec<_> =
                            [Some(host.as_str()), origin.as_deref()].into_iter().flatten().collect();
                        let status = status(&program, method, path, &lines);
                        assert!([400, 403].contains(&status), "{method} {path} with {lines:?}: {status}");
                    }
                }
            }
        }
        assert_eq!(status(&program, "GET", "/healthz", &["Host: localhost"]), 200);
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn a_whole_address_in_the_request_line_has_to_be_ours_as_well_as_the_host() {
    on_stage(|stage| {
        let program = &stage.program;
        for (target, host, right) in [
            ("http://evil.example/healthz", "localhost", false),
            ("http://localhost/healthz", "evil.example", false),
            ("http://evil.example@localhost/healthz", "localhost", false),
            ("http://localhost@evil.example/healthz", "localhost", false),
            ("http://localhost:80@evil.example/healthz", "localhost", false),
            ("https://127.0.0.1.nip.io/healthz", "127.0.0.1", false),
            ("file:///healthz", "localhost", false),
            ("//evil.example/healthz", "localhost", false),
            ("http://127.0.0.1:1/healthz", "localhost", true),
            ("http://LOCALHOST/healthz", "[::1]:1", true),
        ] {
            let status = status(program, "GET", target, &[&format!("Host: {host}")]);
            assert_eq!(status == 200, right, "{target} at {host}: {status}");
        }
    });
}

#[test]
fn this_machine_s_names_are_ours_with_any_port_and_in_any_case() {
    on_stage(|stage| {
        for host in ["localhost", "LocalHost:1", "127.0.0.1:65535", "[::1]", "[::1]:8765", "localhost:"] {
            assert_eq!(status(&stage.program, "GET", "/healthz", &[&format!("Host: {host}")]), 200, "{host}");
        }
    });
}

#[test]
fn only_pages_of_this_machine_may_call_a_route() {
    on_stage(|stage| {
        let program = &stage.program;
        let bad: &[&[&str]] = &[
            &["Origin: https://evil.example"],
            &["Origin: null"],
            &["Origin:"],
            &["Origin: *"],
            &["Origin: file://"],
            &["Origin: file:///home/ada/page.html"],
            &["Origin: chrome-extension://abcdefgh"],
            &["Origin: ftp://localhost"],
            &["Origin: localhost"],
            &["Origin: //localhost"],
            &["Origin: http://localhost/page"],
            &["Origin: http://localhost:5173/"],
            &["Origin: http://localhost."],
            &["Origin: http://localhost.evil.example"],
            &["Origin: http://127.0.0.1.nip.io:80"],
            &["Origin: http://user@localhost"],
            &["Origin: http://localhost@evil.example"],
            &["Origin: http://localhost https://evil.example"],
            &["Origin: http://localhost, https://evil.example"],
            &["Origin: http://localhost", "Origin: http://localhost"],
            &["Origin: http://localhost", "Origin: https://evil.example"],
            &["Origin: http://l\u{43e}calhost"],
        ];
        for (method, path) in ROUTES {
            for lines in bad {
                let lines: Vec<_> = lines.iter().copied().chain(["Host: localhost"]).collect();
                assert_eq!(status(program, method, path, &lines), 403, "{method} {path} with {lines:?}");
            }
        }
        for origin in ["http://localhost", "https://127.0.0.1:3000", "HTTP://[::1]:1"] {
            let lines = ["Host: localhost", &format!("Origin: {origin}")];
            assert_eq!(status(program, "GET", "/healthz", &lines), 200, "{origin}");
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn no_answer_lets_a_page_of_another_origin_read_it() {
    on_stage(|stage| {
        for (method, path) in ROUTES {
            for (origin, may) in [
                ("http://localhost:5173", true),
                ("https://evil.example", false),
                ("null", false),
                ("http://localhost.evil.example", false),
            ] {
                let ask = format!(
                    "{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nContent-Length: 0\r\n\
                     Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\
                     Access-Control-Request-Private-Network: true\r\nConnection: close\r\n\r\n"
                );
                let answer = stage.program.ask(ask).unwrap();
                let allowed = answer.head.contains("access-control-allow-origin");
                assert_eq!(allowed, may, "{method} {path} from {origin}: {}", answer.head);
                assert!(!answer.head.contains("access-control-allow-credentials"), "{method} {path}");
            }
        }
    });
}
