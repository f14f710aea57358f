//! The guard: addresses that may be fetched.

use minimax_mcp::download::{Guard, Refused, guard};

use super::world::World;

#[test]
fn only_public_https_links_pass_the_guard() {
    let guard = Guard::default();
    for link in
        ["https://93.184.216.34/a.png", "https://example.com:8443/a?b=c", "https://[2606:4700::1111]/"]
    {
        guard.check(link).unwrap();
    }
    for link in [
        "http://example.com/",
        "ftp://example.com/",
        "https://user@example.com/",
        "https://:pw@example.com/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://router/",
        "https://metadata.google.internal/",
        "https://nas.local/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://100.100.100.200/",
        "https://169.254.169.254/",
        "https://168.63.129.16/",
        "https://192.0.2.1/",
        "https://198.18.0.1/",
        "https://203.0.113.9/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[ff02::1]/",
        "https://[2001:db8::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:a00:1::1]/",
        "https://[::10.0.0.1]/",
        "https://[fd00:ec2::254]/",
        // Other spellings of the same address.
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.1/",
        "https://127.0.0.1./",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "https://localhost%2e/",
        "https://0xa9fea9fe/",
        "https://2852039166/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::169.254.169.254]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fd00::1]/",
        "https://[fec0::1]/",
        "https://[100::1]/",
        "https://192.0.0.192/",
        "https://192.88.99.1/",
        "https://239.255.255.250/",
        "https://metadata/computeMetadata/v1/",
        "https://printer.local./",
        "https://vault.intranet/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1#@example.com/",
        "https://127.0.0.1\\@example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:text/plain,x",
        "//example.com/x",
        "https:///",
        "http://127.0.0.1:8080/",
        "https://",
        "example.com",
        "",
    ] {
        assert!(guard.check(link).is_err(), "{link}");
    }
}

#[test]
fn a_sandbox_opens_loopback_and_nothing_else() {
    let guard = Guard { loopback_http: true, ..Guard::default() };
    for link in ["http://127.0.0.1:9/x", "http://localhost:9/x", "http://[::1]:9/x", "https://example.com/"] {
        guard.check(link).unwrap();
    }
    for link in ["http://example.com/", "http://10.0.0.1/", "https://192.168.0.1/", "http://router/"] {
        assert!(guard.check(link).is_err(), "{link}");
    }
}

#[test]
fn an_address_inside_an_ipv6_address_is_checked_too() {
    for (address, public) in [
        ("8.8.8.8", true),
        ("::ffff:8.8.8.8", true),
        ("64:ff9b::808:808", true),
        ("2606:4700::1", true),
        // Some local proxies resolve every name to this range.
        ("198.18.3.4", true),
        ("::ffff:127.0.0.1", false),
        ("64:ff9b::7f00:1", false),
        ("2001::1", false),
        ("3fff::1", false),
    ] {
        assert_eq!(guard::is_public(address.parse().unwrap()), public, "{address}");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
    let world = World::new().await;
    let strict = Guard::default().client().unwrap();
    // Use the client directly, as if the name had passed the check.
    let error = strict.get(format!("http://localhost:{}/x", world.address.port())).send().await.unwrap_err();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let refused = std::iter::from_fn(|| {
        let this = cause?;
        cause = this.source();
        Some(this)
    });
    let refused: Vec<&Refused> = refused.filter_map(|cause| cause.downcast_ref()).collect();
    assert!(matches!(refused[..], [Refused::Address(address)] if address.is_loopback()), "{error:?}");
    assert!(world.shelf.seen.lock().unwrap().is_empty());
}
