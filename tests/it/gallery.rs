//! The gallery over plain HTTP: access, the content of pages, and the headers for browsers.

pub mod world;

use std::time::Duration;

use minimax_mcp::config::TokenRow;
use minimax_mcp::sandbox::Pace;
use reqwest::StatusCode;
use serde_json::json;

use self::world::{Visitor, named, of_job};
use crate::harness::quick;
use crate::http::{ADA, BOB, Served, make, web};

#[tokio::test]
async fn without_a_login_nothing_is_shown() {
    let served = Served::guarded().await;
    let job = make(&served.base, Some(ADA), "text_to_image", json!({ "prompt": "Ada's secret" })).await;
    let job = of_job(&job);
    for path in [
        "/gallery".to_owned(),
        "/gallery/chats".to_owned(),
        format!("/gallery/jobs/{job}"),
        format!("/gallery/cards/{job}"),
        format!("/gallery/media/{job}/image-1.jpg"),
        format!("/gallery/thumbnails/{job}/image-1.jpg"),
        format!("/gallery/subtitles/{job}/x.srt"),
    ] {
        for cookie in ["", "minimax_gallery_1=x", &format!("{}=session_guess", named(&served.base))] {
            let asked = web().get(format!("{}{path}", served.base)).header("Accept", "text/html");
            let response = asked.header("Cookie", cookie).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            let text = response.text().await.unwrap();
            assert!(!text.contains("secret") && text.contains("type=\"password\""), "{path}: {text}");
        }
    }
    served.end().await;
}

#[tokio::test]
async fn a_token_logs_in_and_the_session_sees_only_its_own_jobs() {
    let served = Served::guarded().await;
    let base = &served.base;
    let ada = Visitor::with_token(base, ADA).await;
    let bob = Visitor::with_token(base, BOB).await;
    let job = make(base, Some(ADA), "text_to_image", json!({ "prompt": "Ada's secret lighthouse" })).await;
    let name = job["files"][0]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let job = of_job(&job);
    let list = ada.page("/gallery").await;
    assert!(list.contains("secret lighthouse") && list.contains(&job), "{list}");
    assert!(!bob.page("/gallery").await.contains("lighthouse"));
    assert!(!bob.page("/gallery?q=lighthouse").await.contains(&job));
    for path in ["jobs", "cards"] {
        let path = format!("/gallery/{path}/{job}");
        assert_eq!(ada.get(&path).await.status(), StatusCode::OK, "{path}");
        assert_eq!(bob.get(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["media", "thumbnails"] {
        let path = format!("/gallery/{path}/{job}/{name}");
        assert_eq!(ada.get(&path).await.status(), StatusCode::OK, "{path}");
        assert_eq!(bob.get(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(
        !ada.page(&format!("/gallery/jobs/{job}")).await.contains(&served.dir.path().display().to_string()),
        "a remote caller sees no path of the server"
    );
    served.end().await;
}

#[tokio::test]
async fn a_wrong_token_begins_no_session() {
    let served = Served::guarded().await;
    for token in ["", "ada", "ada-0123456789abcdee", "x\r\nSet-Cookie: a=b"] {
        let response = Visitor::log_in(&served.base, token).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token:?}");
        assert!(response.headers().get("set-cookie").is_none());
    }
    let cookie =
        Visitor::log_in(&served.base, ADA).await.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/gallery"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(ADA));
    served.end().await;
}

#[tokio::test]
async fn a_link_opens_the_gallery_once_and_a_look_at_it_does_not_use_it_up() {
    let served = Served::guarded().await;
    let made = web().post(format!("{}/gallery/link", served.base)).bearer_auth(BOB).send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    let link = made.text().await.unwrap().trim().to_owned();
    assert!(!link.contains(BOB), "{link}");
    assert!(web().head(&link).send().await.unwrap().status().is_success());
    let opened = web().get(&link).send().await.unwrap();
    assert_eq!(opened.status(), StatusCode::OK);
    let bob = Visitor::of(&served.base, &opened);
    assert_eq!(opened.headers()["cache-control"], "no-store");
    assert_eq!(bob.get("/gallery").await.status(), StatusCode::OK);
    let again = web().get(&link).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::GONE);
    assert!(again.headers().get("set-cookie").is_none());
    let without = web().post(format!("{}/gallery/link", served.base)).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    served.end().await;
}

#[tokio::test]
async fn a_session_ends_with_a_log_out_and_with_its_token() {
    let served = Served::guarded().await;
    let file = served.dir.path().join("tokens");
    let ada = Visitor::with_token(&served.base, ADA).await;
    assert_eq!(ada.post("/gallery/logout", &[]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(ada.get("/gallery").await.status(), StatusCode::UNAUTHORIZED);

    let rows =
        |name: &str| json!([{ "name": name, "token": format!("{name}-0123456789abcdef") }]).to_string();
    std::fs::write(&file, rows("eve")).unwrap();
    let other = served.neighbour_tuned(true, |config| {
        config.http.token_file = Some(config.base_path.with_file_name("tokens"));
        config.http.tokens = vec![TokenRow::new("eve", "eve-0123456789abcdef")];
    });
    let other = other.await;
    let eve = Visitor::with_token(&other, "eve-0123456789abcdef").await;
    assert_eq!(eve.get("/gallery").await.status(), StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    std::fs::write(&file, rows("mallory")).unwrap();
    crate::harness::eventually("the token is taken back", async || {
        eve.get("/gallery").await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    served.end().await;
}

#[tokio::test]
async fn a_form_counts_only_from_a_page_of_its_session() {
    let served = Served::guarded().await;
    let (ada, bob) =
        (Visitor::with_token(&served.base, ADA).await, Visitor::with_token(&served.base, BOB).await);
    let logout = "/gallery/logout";
    let forged = |token: &str, origin: Option<&str>| {
        let request = ada.request(reqwest::Method::POST, logout).form(&[("form_token", token)]);
        match origin {
            Some(origin) => request.header("Origin", origin),
            None => request,
        }
        .send()
    };
    let base = served.base.as_str();
    for (token, origin) in [
        ("", Some(base)),
        ("guess", Some(base)),
        (bob.form_token().await.as_str(), Some(base)),
        (ada.form_token().await.as_str(), None),
        (ada.form_token().await.as_str(), Some("http://localhost:5173")),
        (ada.form_token().await.as_str(), Some("null")),
    ] {
        assert_eq!(
            forged(token, origin).await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{token} {origin:?}"
        );
    }
    assert_eq!(ada.get("/gallery").await.status(), StatusCode::OK, "the session goes on");
    let embedded = ada.request(reqwest::Method::GET, "/gallery").header("Sec-Fetch-Site", "same-site");
    let embedded = embedded.header("Sec-Fetch-Mode", "no-cors").send().await.unwrap();
    assert_eq!(embedded.status(), StatusCode::FORBIDDEN);
    assert_eq!(forged(&ada.form_token().await, Some(base)).await.unwrap().status(), StatusCode::SEE_OTHER);
    served.end().await;
}

#[tokio::test]
async fn every_response_forbids_frames_foreign_content_and_scripts_within_the_page() {
    let served = Served::open().await;
    let job = make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await;
    let name = job["files"][0]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let job = of_job(&job);
    let visitor = Visitor::without_token(&served.base).await;
    for path in [
        "/gallery".to_owned(),
        format!("/gallery/jobs/{job}"),
        "/gallery/chats".to_owned(),
        "/gallery/money".to_owned(),
        "/gallery/jobs/none".to_owned(),
    ] {
        let response = visitor.get(&path).await;
        let headers = response.headers().clone();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert!(headers.get("access-control-allow-credentials").is_none());
        let text = response.text().await.unwrap();
        for inline in ["<style", " style=", " onclick=", "javascript:", "hx-on"] {
            assert!(!text.contains(inline), "{path}: {inline}");
        }
        let elsewhere =
            text.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
        assert_eq!(elsewhere.count(), 0, "{path}: {text}");
    }
    let media = visitor.get(&format!("/gallery/media/{job}/{name}")).await;
    assert_eq!(media.headers()["content-security-policy"], "default-src 'none'; sandbox");
    assert_eq!(media.headers()["x-content-type-options"], "nosniff");
    assert!(media.headers()["content-disposition"].to_str().unwrap().starts_with("inline"));
    let kept = visitor.get(&format!("/gallery/media/{job}/{name}?download=1")).await;
    assert!(kept.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    served.end().await;
}

#[tokio::test]
async fn a_prompt_is_text_wherever_it_is_shown() {
    let served = Served::open().await;
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' {{7*7}} </textarea><b>";
    let job = make(&served.base, None, "text_to_image", json!({ "prompt": attack })).await;
    let job = of_job(&job);
    // Whatever comes of it, the record names the voice, and the list offers it as a filter.
    let order = json!({ "text": attack, "voice_id": "<script>alert(3)</script>" });
    crate::http::call(&served.base, None, "text_to_audio", order).await;
    let visitor = Visitor::without_token(&served.base).await;
    let query = "q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E&model=%3Cscript%3E&day=%22%3E%3Cscript%3E&before=%3Cscript%3E";
    for path in [
        "/gallery".to_owned(),
        format!("/gallery/jobs/{job}"),
        format!("/gallery/cards/{job}"),
        format!("/gallery?{query}"),
    ] {
        let text = visitor.get(&path).await.text().await.unwrap();
        let scripts = text.matches("<script").count();
        assert_eq!(
            scripts,
            text.matches("<script src=\"/gallery/assets/htmx.min.js\" defer></script>").count(),
            "{path}: {text}"
        );
        assert!(!text.contains("<img src=x") && !text.contains("<b>"), "{path}: {text}");
    }
    assert!(visitor.page("/gallery").await.contains("&lt;script&gt;alert(1)"), "it is shown as it is");
    served.end().await;
}

#[tokio::test]
async fn a_running_job_is_asked_for_again_until_it_has_ended() {
    let served = Served::with(false, Pace { seconds: 3.0, ..quick() }).await;
    let order = json!({ "prompt": "A fox runs", "model": "MiniMax-H3", "async_mode": true });
    let job = of_job(&make(&served.base, None, "generate_video", order).await);
    let visitor = Visitor::without_token(&served.base).await;
    let card = format!("/gallery/cards/{job}");
    let first = visitor.get(&card).await;
    let tag = first.headers()["etag"].clone();
    let text = first.text().await.unwrap();
    assert!(
        text.contains("hx-trigger=\"every 2s\"") && text.contains(&format!("hx-get=\"{card}\"")),
        "{text}"
    );
    let known =
        visitor.request(reqwest::Method::GET, &card).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    crate::harness::eventually("the job has ended", async || {
        let text = visitor.get(&card).await.text().await.unwrap();
        !text.contains("hx-trigger") && text.contains("state succeeded")
    })
    .await;
    let page = visitor.page(&format!("/gallery/jobs/{job}")).await;
    assert!(page.contains("<video controls") && !page.contains("hx-trigger"), "{page}");
    // A page that watched the job is loaded again, for the buttons that a finished job has.
    let path = format!("/gallery/jobs/{job}");
    let refreshed =
        visitor.request(reqwest::Method::GET, &path).header("HX-Request", "true").send().await.unwrap();
    assert_eq!(refreshed.headers()["hx-refresh"], "true");
    assert!(!visitor.get(&path).await.headers().contains_key("hx-refresh"));
    served.end().await;
}

#[tokio::test]
async fn an_open_list_says_that_there_are_newer_jobs() {
    let served = Served::open().await;
    let visitor = Visitor::without_token(&served.base).await;
    let page = visitor.page("/gallery").await;
    assert!(page.contains("hx-get=\"/gallery/newer?\" hx-trigger=\"every 5s\""), "{page}");
    assert!(visitor.page("/gallery/newer?").await.contains("hx-trigger"), "there is none");
    let job = of_job(&make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await);
    let text = visitor.page("/gallery/newer?").await;
    assert!(text.contains("There are new jobs") && !text.contains("hx-trigger"), "{text}");
    assert!(visitor.page(&format!("/gallery/newer?than={job}")).await.contains("hx-trigger"));
    assert!(!visitor.page("/gallery?kind=image").await.contains("/gallery/newer"), "a search stays as it is");
    served.end().await;
}

#[tokio::test]
async fn a_player_gets_the_range_that_it_asks_for_and_subtitles_that_it_can_read() {
    let served = Served::open().await;
    let order = json!({ "text": "Good evening. Good night.", "subtitles": "srt" });
    let made = make(&served.base, None, "text_to_audio", order).await;
    let names: Vec<_> = made["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    let job = of_job(&made);
    let visitor = Visitor::without_token(&served.base).await;
    let sound = names.iter().find(|name| name.contains(".mp3")).unwrap();
    let srt = names.iter().find(|name| name.contains(".srt")).unwrap();
    let part = visitor.request(reqwest::Method::GET, &format!("/gallery/media/{job}/{sound}"));
    let part = part.header("Range", "bytes=2-9").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap().len(), 8);
    let page = visitor.page(&format!("/gallery/jobs/{job}")).await;
    assert!(
        page.contains(&format!(
            "<track kind=\"subtitles\" src=\"/gallery/subtitles/{}",
            job.replace('-', "%2D")
        )),
        "{page}"
    );
    let vtt = visitor.get(&format!("/gallery/subtitles/{job}/{srt}")).await;
    assert_eq!(vtt.headers()["content-type"], "text/vtt; charset=utf-8");
    assert!(vtt.text().await.unwrap().starts_with("WEBVTT\n\n1\n00:00:00."));
    let saved = visitor.get(&format!("/gallery/media/{job}/{srt}")).await;
    assert!(saved.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    served.end().await;
}

#[tokio::test]
async fn jobs_are_found_by_kind_state_model_voice_day_and_words_and_paged() {
    let served = Served::open().await;
    let base = &served.base;
    for number in 0..3 {
        let order = json!({ "prompt": format!("Picture {number}") });
        make(base, None, "text_to_image", order).await;
    }
    let spoken = json!({ "text": "Say it", "voice_id": "English_Graceful_Lady" });
    let speech = make(base, None, "text_to_audio", spoken).await;
    let (speech, model) = (of_job(&speech), speech["model"].as_str().unwrap().to_owned());
    let visitor = Visitor::without_token(base).await;
    let found = async |query: &str| {
        let page = visitor.page(&format!("/gallery?{query}")).await;
        page.matches("<article").count()
    };
    assert_eq!(found("").await, 4);
    assert_eq!(found("kind=image").await, 3);
    assert_eq!(found("kind=image&q=picture+1").await, 1);
    assert_eq!(found("kind=speech&state=succeeded").await, 1);
    assert_eq!(found("state=failed").await, 0);
    assert_eq!(found("voice=English_Graceful_Lady").await, 1);
    assert_eq!(found(&format!("model={model}")).await, 1);
    assert_eq!(found(&format!("q={speech}")).await, 1);
    assert_eq!(found("day=1999-12-31").await, 0);
    let page = visitor.page("/gallery?sort=oldest").await;
    assert!(page.find("Picture 0") < page.find("Picture 2"), "the oldest first");
    let page = visitor.page("/gallery").await;
    assert!(page.find("Picture 2") < page.find("Picture 0"), "the newest first");
    assert!(page.contains("value=\"English_Graceful_Lady\""), "voices can be chosen");
    served.end().await;
}

#[tokio::test]
async fn a_page_speaks_the_language_of_its_reader() {
    let served = Served::guarded().await;
    let visitor = Visitor::with_token(&served.base, ADA).await;
    let in_language = async |accepted: &str| {
        let page = visitor.request(reqwest::Method::GET, "/gallery").header("Accept-Language", accepted);
        page.send().await.unwrap().text().await.unwrap()
    };
    let (english, chinese) = (in_language("de,en;q=0.5").await, in_language("zh-CN,zh;q=0.9,en;q=0.1").await);
    assert!(english.contains("lang=\"en\"") && english.contains("Newest first"), "{english}");
    assert!(chinese.contains("lang=\"zh-Hans\"") && chinese.contains("最新在前"), "{chinese}");
    let switched = visitor.get("/gallery/language/zh").await;
    assert_eq!(switched.status(), StatusCode::SEE_OTHER);
    assert!(switched.headers()["set-cookie"].to_str().unwrap().starts_with("minimax_gallery_language=zh"));
    served.end().await;
}

#[tokio::test]
async fn a_conversation_is_shown_as_text_and_only_to_its_owner() {
    let served = Served::guarded().await;
    let order = json!({ "messages": [{ "role": "user", "content": "<script>alert(1)</script>" }] });
    let answer = crate::http::call(&served.base, Some(ADA), "chat", order).await;
    let chat = answer["result"]["structuredContent"]["conversation_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned();
    let ada = Visitor::with_token(&served.base, ADA).await;
    let list = ada.page("/gallery/chats").await;
    assert!(
        list.contains(&chat) && list.contains("1 turn ") && list.contains("&lt;script&gt;alert(1)"),
        "{list}"
    );
    let page = ada.page(&format!("/gallery/chats/{chat}")).await;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"), "{page}");
    assert!(page.contains("<summary>Thinking</summary>") && !page.contains("think&gt;"), "{page}");
    let bob = Visitor::with_token(&served.base, BOB).await;
    assert!(!bob.page("/gallery/chats").await.contains(&chat));
    assert_eq!(bob.get(&format!("/gallery/chats/{chat}")).await.status(), StatusCode::NOT_FOUND);
    served.end().await;
}
