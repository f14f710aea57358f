//! The gallery under attack: guessed tokens, names of foreign files, and methods and hosts that no page uses.

use std::fs;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::gallery::world::{Visitor, of_job};
use crate::harness::quick;
use crate::http::{ADA, BOB, Served, make, web};

/// A log-in as a proxy passes it on for a client.
async fn log_in_from(base: &str, client: &str, token: &str) -> Response {
    let request = web().post(format!("{base}/gallery/login")).header("Origin", base);
    request.header("X-Forwarded-For", client).form(&[("token", token)]).send().await.unwrap()
}

#[tokio::test]
async fn an_address_that_sends_wrong_tokens_has_to_wait_and_sessions_go_on() {
    let served = Served::guarded().await;
    let ada = Visitor::with_token(&served.base, ADA).await;
    for _ in 0..2 {
        assert_eq!(
            Visitor::log_in(&served.base, ADA).await.status(),
            StatusCode::OK,
            "right tokens do not count"
        );
    }
    let link = format!("{}/gallery/link", served.base);
    for number in 0..5 {
        let wrong = format!("wrong-0123456789abcdef{number}");
        // A client cannot say that it is another one.
        let form = log_in_from(&served.base, &format!("192.0.2.{number}"), &wrong).await;
        assert_eq!(form.status(), StatusCode::UNAUTHORIZED, "{number}");
        let asked = web().post(&link).bearer_auth(&wrong).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::UNAUTHORIZED, "{number}");
    }
    for token in ["wrong-0123456789abcdef", ADA] {
        let refused = Visitor::log_in(&served.base, token).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{token}");
        let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=601).contains(&wait), "{wait}");
        assert!(refused.headers().get("set-cookie").is_none());
        assert!(refused.text().await.unwrap().contains("Too many wrong tokens"));
        let refused = web().post(&link).bearer_auth(token).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{token}");
    }
    assert_eq!(ada.get("/gallery").await.status(), StatusCode::OK);
    make(&served.base, Some(ADA), "text_to_image", json!({ "prompt": "MCP goes on" })).await;
    served.end().await;
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_bound() {
    let served = Served::tuned(true, quick(), |config| {
        config.http.public_url = Some("https://media.example.com/mm".to_owned());
    })
    .await;
    let from = async |client: &str, token: &str| log_in_from(&served.base, client, token).await.status();
    for _ in 0..10 {
        assert_eq!(from("192.0.2.1", "wrong-0123456789abcdef").await, StatusCode::UNAUTHORIZED);
    }
    // What the client has written itself stands before the address that the proxy adds.
    assert_eq!(from("192.0.2.77, 192.0.2.1", ADA).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(from("192.0.2.2", ADA).await, StatusCode::OK);
    let cookie = log_in_from(&served.base, "192.0.2.2", ADA).await.headers()["set-cookie"].clone();
    let cookie = cookie.to_str().unwrap();
    assert!(cookie.contains("; Secure") && cookie.contains("Path=/mm/gallery"), "{cookie}");
    served.end().await;
}

#[tokio::test]
async fn no_name_or_id_reaches_files_of_another_visitor() {
    let served = Served::guarded().await;
    let base = &served.base;
    fs::write(served.dir.path().join("secret.jpg"), "hunter2").unwrap();
    fs::write(served.dir.path().join("out").with_file_name("secret.srt"), "hunter2").unwrap();
    let mine = of_job(&make(base, Some(ADA), "text_to_image", json!({ "prompt": "x" })).await);
    let made = make(base, Some(BOB), "text_to_image", json!({ "prompt": "y" })).await;
    let (others, name) =
        (of_job(&made), made["files"][0]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
    let ada = Visitor::with_token(base, ADA).await;
    let long = "a".repeat(30_000);
    let mut names: Vec<String> = [
        "..%2f..%2fsecret.jpg",
        "..%2fsecret.srt",
        "%2e%2e%2f%2e%2e%2fsecret.jpg",
        "..%5c..%5csecret.jpg",
        "%2fetc%2fpasswd",
        "C%3a%5cWindows%5cwin.ini",
        "secret.jpg%00.png",
        "%00",
        "%ff%fe",
        "%0d%0aSet-Cookie:%20a=b",
        "CON",
        "%f0%9f%92%a9",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(long.clone());
    let ids = [
        mine.as_str(),
        others.as_str(),
        "..%2f..",
        "%00",
        "18446744073709551616",
        "-1",
        "' OR 1=1 --",
        &long,
    ];
    for id in ids {
        // Files of Ada have the same names as Bob's.
        for name in names.iter().chain([&name].into_iter().filter(|_| id != mine)) {
            for kind in ["media", "thumbnails", "subtitles"] {
                let path = format!("/gallery/{kind}/{id}/{name}");
                let answer = ada.get(&path).await;
                let status = answer.status();
                assert!(status.is_client_error(), "{path:.200}: {status}");
                assert!(answer.headers().get("set-cookie").is_none(), "{path:.200}");
                assert!(!answer.text().await.unwrap().contains("hunter2"), "{path:.200}");
            }
        }
        for path in [
            format!("/gallery/jobs/{id}"),
            format!("/gallery/cards/{id}"),
            format!("/gallery/chats/{id}"),
            format!("/gallery/delete/{id}"),
            format!("/gallery/make?job={id}"),
            format!("/gallery/zip?job={id}"),
        ] {
            // For her own job, some of these paths are pages.
            if id != mine {
                let status = ada.get(&path).await.status();
                assert!(status.is_client_error(), "{path:.200}: {status}");
            }
        }
    }
    for query in [
        "before=9223372036854775808.x",
        "before=-9223372036854775808.x",
        "before=9223372036854775807.%00",
        "sort=largest&before=9223372036854775807.x",
        "day=-9999-01-01",
        "day=99999-01-01",
        "q=%00",
        "q=%25%27%22",
        "kind=image%27--",
        "sort=price;drop",
        &format!("q={long}"),
        &"kind=image&".repeat(2000),
    ] {
        let answer = ada.get(&format!("/gallery?{query}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{query:.200}");
        assert!(!answer.text().await.unwrap().contains(&others), "{query:.200}");
    }
    assert_eq!(
        Visitor::with_token(base, BOB).await.get(&format!("/gallery/jobs/{others}")).await.status(),
        200
    );
    served.end().await;
}

#[tokio::test]
async fn the_names_in_a_zip_are_plain() {
    let served = Served::open().await;
    let mut query = Vec::new();
    for prompt in ["../../x", "<img src=x>", "CON", "日本語"] {
        let job =
            of_job(&make(&served.base, None, "text_to_image", json!({ "prompt": prompt, "n": 2 })).await);
        query.push(format!("job={job}"));
        // The same job twice must not make the same name twice.
        query.push(format!("job={job}"));
    }
    let visitor = Visitor::without_token(&served.base).await;
    let zip = visitor.get(&format!("/gallery/zip?{}", query.join("&"))).await.bytes().await.unwrap();
    let archive = rawzip::ZipArchive::from_slice(&zip).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for entry in archive.entries() {
        let entry = entry.unwrap();
        let name = String::from_utf8(entry.file_path().as_ref().to_vec()).unwrap();
        assert!(!name.contains(['/', '\\', ':', '\0', '<']) && !name.starts_with('.'), "{name}");
        assert!(names.insert(name.clone()), "{name} is there twice");
    }
    assert_eq!(names.len(), 16);
    served.end().await;
}

#[tokio::test]
async fn other_methods_change_nothing() {
    let served = Served::guarded().await;
    let base = &served.base;
    let job = of_job(&make(base, Some(ADA), "text_to_image", json!({ "prompt": "x" })).await);
    let ada = Visitor::with_token(base, ADA).await;
    let requests = served.sandbox.requests().len();
    let acts = [
        format!("/gallery/delete/{job}"),
        "/gallery/buy".into(),
        "/gallery/price".into(),
        "/gallery/logout".into(),
    ];
    let pages = [
        format!("/gallery/jobs/{job}"),
        "/gallery".into(),
        "/gallery/money".into(),
        format!("/gallery/zip?job={job}"),
    ];
    for path in acts.iter().chain(&pages) {
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let fields = [("form_token", ada.form_token().await), ("what", "all".to_owned())];
            let asked = ada.request(method.clone(), path).header("Origin", base).form(&fields);
            // A client of its own refuses what is no request to a server.
            let Ok(answer) = asked.send().await else { continue };
            assert!(answer.status().is_client_error(), "{method} {path}: {}", answer.status());
        }
        // A page of another origin asks whether it may send its cookies, and is not allowed to.
        let asked = web().request(Method::OPTIONS, format!("{base}{path}"));
        let asked =
            asked.header("Origin", "http://localhost:5173").header("Access-Control-Request-Method", "POST");
        let answer = asked.send().await.unwrap();
        assert!(answer.headers().get("access-control-allow-credentials").is_none(), "{path}");
    }
    for path in &pages {
        let head = ada.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK, "HEAD {path}");
        assert_eq!(head.headers()["x-frame-options"], "DENY", "HEAD {path}");
        assert!(head.bytes().await.unwrap().is_empty());
    }
    for path in &acts[1..] {
        assert_eq!(ada.get(path).await.status(), StatusCode::METHOD_NOT_ALLOWED, "GET {path}");
    }
    // Without a session, HEAD begins none and shows nothing.
    let head = web().head(format!("{base}/gallery")).send().await.unwrap();
    assert_eq!((head.status(), head.headers().get("set-cookie")), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(ada.get(&format!("/gallery/jobs/{job}")).await.status(), StatusCode::OK, "all is as it was");
    assert_eq!(served.sandbox.requests().len(), requests);
    served.end().await;
}

#[tokio::test]
async fn a_cookie_is_valid_only_at_its_own_server_and_only_once_in_a_request() {
    let served = Served::guarded().await;
    let other = served.neighbour(true).await;
    let login = Visitor::log_in(&served.base, ADA).await;
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let asked = async |base: &str, cookie: String| {
        web().get(format!("{base}/gallery")).header("Cookie", cookie).send().await.unwrap().status()
    };
    assert_eq!(asked(&served.base, cookie.clone()).await, StatusCode::OK);
    let (name, value) = cookie.split_once('=').unwrap();
    let port = |base: &str| base.rsplit(':').next().unwrap().to_owned();
    let moved = format!("minimax_gallery_{}={value}", port(&other));
    assert_eq!(asked(&other, moved).await, StatusCode::UNAUTHORIZED);
    for cookie in [
        format!("{name}={value}x"),
        format!("{name}="),
        format!("{}={value}", name.to_uppercase()),
        // The first of two counts, and a script of another port may have set it.
        format!("{name}=guess; {name}={value}"),
        format!("{name}={}", "a".repeat(20_000)),
    ] {
        assert_eq!(asked(&served.base, cookie.clone()).await, StatusCode::UNAUTHORIZED, "{cookie:.100}");
    }
    served.end().await;
}
