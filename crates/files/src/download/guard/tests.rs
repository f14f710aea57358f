//! Tests of the hosts and addresses that may be fetched.

use super::*;

#[test]
fn a_redirect_never_leaves_https() {
    let hop = |from: &str, to: &str| {
        let (from, to) = (Url::parse(from).ok()?, Url::parse(to).ok()?);
        Some(Guard { loopback_http: true, ..Guard::default() }.check_hop(&[from], &to))
    };
    assert_eq!(hop("https://example.com/", "http://127.0.0.1/"), Some(Err(Refused::Downgrade)));
    assert_eq!(hop("http://127.0.0.1/", "http://127.0.0.1:1/"), Some(Ok(())));
    assert_eq!(hop("https://example.com/", "https://example.org/"), Some(Ok(())));
}

#[test]
fn plain_http_to_a_public_host_is_allowed_only_for_results() {
    let results = Guard { public_http: true, ..Guard::default() };
    assert!(results.check("http://example.com/a.jpg").is_ok());
    assert!(Guard::default().check("http://example.com/a.jpg").is_err());
    for private in ["http://127.0.0.1/", "http://169.254.169.254/", "http://localhost/", "http://[::1]/"] {
        assert!(results.check(private).is_err(), "{private}");
    }
}

#[test]
fn names_of_this_machine_lead_to_this_machine_only() {
    let (strict, sandbox) = (Guard::default(), Guard { loopback_http: true, ..Guard::default() });
    let [inside, outside, private] = [[127, 0, 0, 1], [8, 8, 8, 8], [10, 0, 0, 1]].map(IpAddr::from);
    assert!(sandbox.allows("localhost", inside) && !sandbox.allows("localhost", outside));
    assert!(sandbox.allows("example.com", outside) && !sandbox.allows("example.com", private));
    assert!(!strict.allows("example.com", inside) && !strict.allows("localhost", inside));
}

#[test]
fn results_may_come_from_the_origin_of_the_api_but_not_from_its_other_ports() {
    for (api, allowed, refused) in [
        (
            "http://127.0.0.1:4000",
            vec!["http://127.0.0.1:4000/a.png"],
            vec![
                "http://127.0.0.1:4001/",
                "https://127.0.0.1:4000/",
                "http://127.0.0.2:4000/",
                "http://localhost:4000/",
            ],
        ),
        (
            "http://localhost:4000",
            vec!["http://localhost:4000/a.png", "http://LOCALHOST:4000/"],
            vec![
                "http://localhost/",
                "https://localhost:4000/",
                "http://127.0.0.1:4000/",
                "http://a.localhost:4000/",
            ],
        ),
        (
            "https://gateway.corp.example",
            vec!["https://gateway.corp.example/a.png", "https://gateway.corp.example:443/"],
            vec!["https://gateway.corp.example:8443/", "http://gateway.corp.example/"],
        ),
    ] {
        let results = Guard { public_http: true, ..Guard::default() };
        let results = results.trusting(Url::parse(api).ok().as_ref());
        for link in allowed {
            assert!(results.check(link).is_ok(), "{api}: {link}");
            assert!(results.check_hop(&[Url::parse(api).unwrap()], &Url::parse(link).unwrap()).is_ok());
        }
        for link in refused {
            assert!(results.check(link).is_err(), "{api}: {link}");
            let hop = results.check_hop(&[Url::parse(api).unwrap()], &Url::parse(link).unwrap());
            assert!(hop.is_err(), "{api}: a redirect to {link}");
        }
        assert!(results.check("https://cdn.example.com/a.png").is_ok());
    }
}

/// A resolver that returns these answers in order and repeats the last one forever.
fn changing(answers: &[&[&str]]) -> LookUp {
    let parsed = |answer: &&[&str]| {
        answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect::<Vec<_>>()
    };
    let answers = std::sync::Mutex::new(answers.iter().map(parsed).rev().collect::<Vec<_>>());
    Arc::new(move |_| {
        let mut answers = answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    })
}

fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Refused> {
    let mut cause = Some(error);
    while let Some(this) = cause {
        if let Some(refused) = this.downcast_ref() {
            return Some(refused);
        }
        cause = this.source();
    }
    None
}

#[tokio::test]
async fn only_the_public_addresses_of_a_name_are_used() {
    let looks_up =
        changing(&[&["93.184.216.34"], &["10.0.0.1", "93.184.216.34", "::1"], &["169.254.169.254"]]);
    let names = Names { guard: Guard::default(), proxy: None, looks_up };
    let look = async || names.resolve("rebind.example".parse().unwrap()).await;
    let public = [SocketAddr::from(([93, 184, 216, 34], 0))];
    assert_eq!(look().await.unwrap().collect::<Vec<_>>(), public);
    assert_eq!(look().await.unwrap().collect::<Vec<_>>(), public);
    let Err(error) = look().await else { panic!("a metadata service is no public host") };
    assert_eq!(refusal(&*error), Some(&Refused::Address([169, 254, 169, 254].into())));
}

/// The client connects only to addresses of this list, whatever records the name has and however often they
/// change.
#[tokio::test]
async fn a_name_leads_to_no_private_address_of_any_kind_alone_or_among_public_ones() {
    let private = [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.1.2.3",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.192",
        "224.0.0.251",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:0:0:1::1",
        "2001:db8::1",
        "2002:7f00:1::1",
    ];
    let public = ["93.184.216.34", "2606:2800:220:1::1"];
    for address in private {
        for answer in [vec![address], vec![public[0], address], vec![address, public[1]], vec![address; 9]] {
            let names = Names {
                guard: Guard::default(),
                proxy: None,
                looks_up: changing(&[&answer[..], &answer[..]]),
            };
            for name in ["rebind.example", "REBIND.example.", "localhost.", "a.localhost"] {
                let found = names.resolve(name.parse().unwrap()).await;
                let found: Vec<_> = found.into_iter().flatten().map(|found| found.ip().to_string()).collect();
                let mut left: Vec<_> = answer.iter().copied().filter(|it| public.contains(it)).collect();
                // These names can only be loopback.
                left.retain(|_| !name.contains("localhost"));
                assert_eq!(found, left, "{name} with {answer:?}");
            }
        }
    }
    // With a sandbox on this machine, loopback is allowed and nothing else.
    let names = Names {
        guard: Guard { loopback_http: true, public_http: true, ..Guard::default() },
        proxy: None,
        looks_up: changing(&[&private[..]]),
    };
    let found = names.resolve("rebind.example".parse().unwrap()).await.unwrap();
    assert!(found.into_iter().all(|found| found.ip().to_canonical().is_loopback()));
}

/// The name of the proxy may resolve to any address, so no link may use it. All other names are still checked.
#[tokio::test]
async fn a_proxy_s_name_alone_may_lead_into_the_network() {
    let proxy = Some("proxy.corp.example".to_owned());
    let names = Names { guard: Guard::default(), proxy, looks_up: changing(&[&["10.0.0.1"], &["10.0.0.1"]]) };
    for (name, leads) in [
        ("proxy.corp.example", true),
        ("PROXY.corp.example.", true),
        ("xproxy.corp.example", false),
        ("proxy.corp.example.evil.example", false),
    ] {
        assert_eq!(names.resolve(name.parse().unwrap()).await.is_ok(), leads, "{name}");
    }
}

/// Here loopback plays the public internet: it is allowed, and everything else is refused.
#[tokio::test]
async fn a_name_that_resolves_differently_the_second_time_gains_nothing() {
    use std::io::{Read as _, Write as _};

    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for answer in ["200 OK\r\ncontent-length: 2", "302 Found\r\nlocation: /again\r\ncontent-length: 2"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 2048];
            let read = stream.read(&mut head).unwrap();
            seen.push(String::from_utf8_lossy(&head[..read]).into_owned());
            write!(stream, "HTTP/1.1 {answer}\r\nset-cookie: a=b\r\nconnection: close\r\n\r\nok").unwrap();
        }
        seen
    });
    let guard = Guard { loopback_http: true, public_http: true, ..Guard::default() };
    let client = guard.client_that(changing(&[&["127.0.0.1"], &["127.0.0.1"], &["10.0.0.1"]])).unwrap();
    let link = format!("http://rebind.example:{port}/once");
    assert_eq!(client.get(&link).send().await.unwrap().status(), 200);
    // The same link again, and a redirect within the host. The address is checked each time.
    let error = client.get(&link).send().await.unwrap_err();
    assert_eq!(refusal(&error), Some(&Refused::Address([10, 0, 0, 1].into())), "{error:?}");
    for head in serving.join().unwrap().iter().map(|head| head.to_lowercase()) {
        assert!(head.starts_with("get /once "), "{head}");
        for header in ["authorization", "cookie", "referer", "x-api-key"] {
            assert!(!head.contains(&format!("{header}:")), "{head}");
        }
    }
}

#[test]
fn every_address_is_allowed_only_where_the_operator_chose_it() {
    for link in ["http://127.0.0.1:9/x", "https://10.0.0.1/x", "http://hooks.internal/x", "https://[::1]/x"] {
        assert!(Guard::default().check(link).is_err(), "{link}");
        assert!(Guard { private: true, ..Guard::default() }.check(link).is_ok(), "{link}");
    }
    let private = Guard { private: true, ..Guard::default() };
    for link in ["file:///etc/passwd", "ftp://10.0.0.1/x", "https://ada:pw@10.0.0.1/x", "data:,x"] {
        assert!(private.check(link).is_err(), "{link}");
    }
}
