//! Actions in the gallery: repeating a job, deleting, downloading several files, and the page about money.

use std::fs;

use minimax_mcp::money::{Currency, Decimal, Money};
use minimax_mcp::sandbox::{Act, Pace, Rule};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::gallery::world::{Visitor, of_job};
use crate::harness::{eventually, quick};
use crate::http::{ADA, BOB, Served, call, make};
use crate::s3;

/// The value of a hidden field of a page.
fn hidden(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    let value = rest.split('"').next().unwrap();
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Sends the page that asks about a price of `text_to_image`, as its button does.
async fn buy(visitor: &Visitor, asked: &str) -> Response {
    let [arguments, price, order] = ["arguments", "price", "order"].map(|name| hidden(asked, name));
    let fields = [("tool", "text_to_image"), ("arguments", &arguments), ("price", &price), ("order", &order)];
    visitor.post("/gallery/buy", &fields).await
}

fn name_of(view: &serde_json::Value) -> String {
    view["files"][0]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn files(served: &Served) -> usize {
    s3::results(&served.dir.path().join("out")).len()
}

fn paid(served: &Served) -> usize {
    served.sandbox.requests().iter().filter(|request| request.path.contains("image_generation")).count()
}

#[tokio::test]
async fn repeating_a_job_shows_the_price_first_and_buys_once() {
    let served = Served::open().await;
    let order = json!({ "prompt": "A fox & a <hen>", "aspect_ratio": "16:9", "n": 2 });
    let job = of_job(&make(&served.base, None, "text_to_image", order).await);
    let visitor = Visitor::without_token(&served.base).await;
    assert!(
        visitor.page(&format!("/gallery/jobs/{job}")).await.contains(&format!("/gallery/make?job={job}"))
    );
    let form = visitor.page(&format!("/gallery/make?job={job}")).await;
    assert!(form.contains("A fox &amp; a &lt;hen&gt;</textarea>"), "{form}");
    assert!(
        form.contains("value=\"16:9\" selected") && form.contains("name=\"field.n\" value=\"2\""),
        "{form}"
    );
    let before = paid(&served);
    let fields = [
        ("tool", "text_to_image"),
        ("field.prompt", "A fox & a hen"),
        ("field.aspect_ratio", "16:9"),
        ("field.n", "2"),
    ];
    let asked = visitor.post("/gallery/price", &fields).await;
    assert_eq!(asked.status(), StatusCode::OK);
    let asked = asked.text().await.unwrap();
    assert!(asked.contains("USD") && asked.contains("class=\"price\""), "{asked}");
    assert_eq!(paid(&served), before, "the price costs nothing");
    let bought = buy(&visitor, &asked).await;
    assert_eq!(bought.status(), StatusCode::SEE_OTHER);
    let place = bought.headers()["location"].to_str().unwrap().to_owned();
    let again = buy(&visitor, &asked).await;
    assert_eq!(again.headers()["location"].to_str().unwrap(), place, "the same page buys once");
    // Also if the price has changed since, or an input is gone: the page must not look as if nothing was bought.
    let order = hidden(&asked, "order");
    for (arguments, price) in [(r#"{"prompt":"A fox"}"#, "[]"), (r#"{"prompt":""}"#, "[]")] {
        let fields =
            [("tool", "text_to_image"), ("arguments", arguments), ("price", price), ("order", &order)];
        let late = visitor.post("/gallery/buy", &fields).await;
        assert_eq!(late.status(), StatusCode::SEE_OTHER, "{arguments}");
        assert_eq!(late.headers()["location"].to_str().unwrap(), place, "{arguments}");
    }
    crate::harness::eventually("the second job has ended", async || {
        visitor.page(&place).await.contains("state succeeded")
    })
    .await;
    assert_eq!(paid(&served), before + 1);
    served.end().await;
}

#[tokio::test]
async fn a_form_keeps_its_values_after_an_error_and_when_it_is_changed() {
    let served = Served::open().await;
    make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await;
    let visitor = Visitor::without_token(&served.base).await;
    let before = paid(&served);
    let typed = |n: &'static str| [("tool", "text_to_image"), ("field.prompt", "A <fox>"), ("field.n", n)];
    for (n, problem) in [("two", "n: must be"), ("12", "1 to 9")] {
        let form = visitor.post("/gallery/price", &typed(n)).await.text().await.unwrap();
        assert!(form.contains(problem) && form.contains("role=\"alert\""), "{form}");
        assert!(form.contains("A &lt;fox&gt;</textarea>"), "{form}");
        assert!(form.contains(&format!("name=\"field.n\" value=\"{n}\"")), "{form}");
    }
    let asked = visitor.post("/gallery/price", &typed("2")).await.text().await.unwrap();
    assert!(asked.contains("formaction=\"/gallery/change\""), "{asked}");
    assert!(!asked.contains("without dry_run"), "it speaks to a person: {asked}");
    let arguments = json!({ "prompt": "A <fox>", "n": 2 }).to_string();
    let fields = [("tool", "text_to_image"), ("arguments", arguments.as_str())];
    let form = visitor.post("/gallery/change", &fields).await.text().await.unwrap();
    assert!(
        form.contains("A &lt;fox&gt;</textarea>") && form.contains("name=\"field.n\" value=\"2\""),
        "{form}"
    );
    assert_eq!(paid(&served), before, "nothing was bought");
    served.end().await;
}

#[tokio::test]
async fn a_price_that_was_not_shown_buys_nothing() {
    let served = Served::open().await;
    make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await;
    let visitor = Visitor::without_token(&served.base).await;
    let before = paid(&served);
    for (arguments, price) in [
        (json!({ "prompt": "x", "n": 9 }), "[\"USD\",0.0035,null]"),
        (json!({ "prompt": "x" }), ""),
        (json!({ "prompt": "x", "dry_run": false, "idempotency_key": "k" }), "null"),
    ] {
        let arguments = arguments.to_string();
        let fields =
            [("tool", "text_to_image"), ("arguments", arguments.as_str()), ("price", price), ("order", "o1")];
        let answer = visitor.post("/gallery/buy", &fields).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.text().await.unwrap().contains("The price has changed"));
    }
    for tool in ["delete_file", "delete_voice", "no_such_tool", "chat"] {
        let fields = [("tool", tool), ("arguments", "{}"), ("price", "x"), ("order", "o2")];
        assert_eq!(visitor.post("/gallery/buy", &fields).await.status(), StatusCode::NOT_FOUND, "{tool}");
    }
    assert_eq!(paid(&served), before);
    served.end().await;
}

#[tokio::test]
async fn a_purchase_stays_within_the_budget_and_is_the_consent_to_its_price() {
    let served = Served::tuned(false, quick(), |config| {
        let usd = |text: &str| Some(Money::new(Decimal::exactly(text).unwrap(), Currency::Usd));
        config.budgets.day = usd("0.008");
        config.budgets.confirm_above = usd("0.001");
    })
    .await;
    let visitor = Visitor::without_token(&served.base).await;
    let order = async |prompt: &str, n: &str| {
        let fields = [("tool", "text_to_image"), ("field.prompt", prompt), ("field.n", n)];
        let asked = visitor.post("/gallery/price", &fields).await.text().await.unwrap();
        if !asked.contains("name=\"arguments\"") {
            return (StatusCode::OK, asked);
        }
        let answer = buy(&visitor, &asked).await;
        (answer.status(), answer.text().await.unwrap())
    };
    let (status, text) = order("one", "1").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "the person at the page is the one who would be asked: {text}");
    let (status, text) = order("nine", "9").await;
    assert_ne!(status, StatusCode::SEE_OTHER);
    assert!(text.contains("MINIMAX_BUDGET_DAY"), "{text}");
    assert_eq!(paid(&served), 1);
    served.end().await;
}

#[tokio::test]
async fn a_file_becomes_the_argument_of_another_tool() {
    let served = Served::open().await;
    let made = make(&served.base, None, "text_to_image", json!({ "prompt": "A pier" })).await;
    let (job, name) = (of_job(&made), name_of(&made));
    let visitor = Visitor::without_token(&served.base).await;
    let page = visitor.page(&format!("/gallery/jobs/{job}")).await;
    let use_as =
        format!("/gallery/make?job={job}&amp;file={name}&amp;tool=generate_video&amp;as=first_frame_image");
    assert!(page.contains(&use_as), "{page}");
    let form = visitor.page(&use_as.replace("&amp;", "&")).await;
    assert!(
        form.contains(&format!("name=\"field.first_frame_image\" value=\"minimax://files/{job}/{name}\"")),
        "{form}"
    );
    let list = visitor
        .page(&format!("/gallery/make?job={job}&file={name}&tool=generate_video&as=reference_images"))
        .await;
    assert!(list.contains(&format!("[&quot;minimax://files/{job}/{name}&quot;]</textarea>")), "{list}");
    for wrong in [
        "file=none&tool=generate_video&as=first_frame_image".to_owned(),
        format!("file={name}&tool=chat&as=prompt"),
    ] {
        let path = format!("/gallery/make?job={job}&{wrong}");
        assert_eq!(visitor.get(&path).await.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
    served.end().await;
}

#[tokio::test]
async fn a_file_and_a_record_are_deleted_after_a_question_and_the_money_stays() {
    let served = Served::open().await;
    let made = make(&served.base, None, "text_to_image", json!({ "prompt": "x", "n": 2 })).await;
    let (job, name) = (of_job(&made), name_of(&made));
    let visitor = Visitor::without_token(&served.base).await;
    assert_eq!(files(&served), 2);
    let question = visitor.page(&format!("/gallery/delete/{job}?file={name}")).await;
    assert!(question.contains("cannot be undone") && files(&served) == 2);
    let path = format!("/gallery/delete/{job}");
    let done = visitor.post(&path, &[("what", "file"), ("file", &name)]).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER, "{:?}", done.text().await);
    assert_eq!(files(&served), 1);
    assert_eq!(visitor.get(&format!("/gallery/media/{job}/{name}")).await.status(), StatusCode::NOT_FOUND);
    let page = visitor.page(&format!("/gallery/jobs/{job}")).await;
    assert!(page.contains(&format!("{name} was deleted in the gallery")), "{page}");
    let view = call(&served.base, None, "get_job", json!({ "job_id": job })).await;
    assert_eq!(
        view["result"]["structuredContent"]["files"].as_array().unwrap().len(),
        1,
        "it is not downloaded again"
    );
    assert_eq!(files(&served), 1);

    assert_eq!(visitor.post(&path, &[("what", "all")]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(files(&served), 0);
    assert_eq!(visitor.get(&format!("/gallery/jobs/{job}")).await.status(), StatusCode::NOT_FOUND);
    let money = visitor.page("/gallery/money").await.replace("<wbr>", "");
    assert!(money.contains("$0.007") && money.contains("text_to_image"), "the ledger stays: {money}");
    served.end().await;
}

#[tokio::test]
async fn a_file_that_waits_for_its_folder_is_deleted_with_its_job_and_not_left_without_a_record() {
    if s3::leaves_out("the folder for results") {
        return;
    }
    let served = Served::open().await;
    let out = served.dir.path().join("out");
    served.sandbox.script(vec![Rule::once("/v1/voice_design", Act::Hold)]);
    let asked = || served.sandbox.requests().iter().any(|request| request.path == "/v1/voice_design");
    let in_the_way = async {
        eventually("the request", async || asked()).await;
        fs::remove_dir_all(&out).unwrap();
        fs::write(&out, "in the way").unwrap();
        served.sandbox.script(Vec::new());
    };
    let order = json!({ "prompt": "A calm voice", "preview_text": "Hello." });
    let (made, ()) = tokio::join!(make(&served.base, None, "voice_design", order), in_the_way);
    let job = of_job(&made);
    let waiting = served.dir.path().join("data/minimax-mcp/undelivered").join(&job);
    assert_eq!(fs::read_dir(&waiting).unwrap().count(), 1, "{made}");

    let visitor = Visitor::without_token(&served.base).await;
    let path = format!("/gallery/delete/{job}");
    assert!(!visitor.page(&path).await.contains("value=\"record\""));
    let kept = visitor.post(&path, &[("what", "record")]).await;
    assert_eq!(kept.status(), StatusCode::CONFLICT);
    assert!(kept.text().await.unwrap().contains("get_job saves it") && waiting.exists());
    assert_eq!(visitor.post(&path, &[("what", "all")]).await.status(), StatusCode::SEE_OTHER);
    assert!(!waiting.exists());
    served.end().await;
}

#[tokio::test]
async fn an_order_whose_record_was_deleted_is_not_bought_again() {
    let served = Served::open().await;
    let order = json!({ "prompt": "x", "idempotency_key": "order-1" });
    let job = of_job(&make(&served.base, None, "text_to_image", order.clone()).await);
    let visitor = Visitor::without_token(&served.base).await;
    let before = paid(&served);
    let deleted = visitor.post(&format!("/gallery/delete/{job}"), &[("what", "record")]).await;
    assert_eq!(deleted.status(), StatusCode::SEE_OTHER);
    let again = call(&served.base, None, "text_to_image", order).await;
    let said = again["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(said.contains("whose record was removed") && said.contains("nothing was bought"), "{again}");
    assert_eq!(paid(&served), before);
    let asked = call(&served.base, None, "get_job", json!({ "job_id": job })).await;
    let said = asked["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(said.contains("removed it on 20"), "{asked}");
    make(&served.base, None, "text_to_image", json!({ "prompt": "x", "idempotency_key": "order-2" })).await;
    served.end().await;
}

#[tokio::test]
async fn running_jobs_and_files_of_others_are_not_deleted() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let served = Served::with(true, Pace { seconds: 60.0, ..quick() }).await;
    let base = &served.base;
    let order = json!({ "prompt": "x", "model": "MiniMax-H3", "async_mode": true });
    let running = of_job(&make(base, Some(ADA), "generate_video", order).await);
    let made = make(base, Some(ADA), "text_to_image", json!({ "prompt": "x" })).await;
    let (job, name) = (of_job(&made), name_of(&made));
    let (ada, bob) = (Visitor::with_token(base, ADA).await, Visitor::with_token(base, BOB).await);
    let delete = async |visitor: &Visitor, job: &str, what: &str| {
        visitor.post(&format!("/gallery/delete/{job}"), &[("what", what), ("file", &name)]).await.status()
    };
    assert_eq!(delete(&ada, &running, "record").await, StatusCode::CONFLICT);
    for what in ["file", "record", "all"] {
        assert_eq!(delete(&bob, &job, what).await, StatusCode::NOT_FOUND, "{what}");
    }
    assert_eq!(delete(&ada, &job, "everything").await, StatusCode::NOT_FOUND);
    let path = std::fs::read_dir(served.dir.path().join("out"))
        .unwrap()
        .map(|one| one.unwrap().path())
        .next()
        .unwrap();
    let path =
        if path.is_dir() { std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path() } else { path };
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"changed").unwrap();
    assert_eq!(delete(&ada, &job, "file").await, StatusCode::CONFLICT, "it is another file now");
    #[cfg(unix)]
    {
        let elsewhere = served.dir.path().join("elsewhere");
        std::fs::write(&elsewhere, &content).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(delete(&ada, &job, "all").await, StatusCode::CONFLICT, "a link is left alone");
        assert!(elsewhere.exists() && path.is_symlink());
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::write(&path, &content).unwrap();
    assert_eq!(delete(&ada, &job, "all").await, StatusCode::SEE_OTHER);
    assert!(!path.exists());
    served.end().await;
}

#[tokio::test]
async fn a_read_only_server_shows_and_does_nothing() {
    let served = Served::open().await;
    let job = of_job(&make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await);
    let base = served.neighbour_tuned(false, |config| config.read_only = true).await;
    let visitor = Visitor::without_token(&base).await;
    let page = visitor.page(&format!("/gallery/jobs/{job}")).await;
    assert!(!page.contains("/gallery/make") && !page.contains("/gallery/delete"), "{page}");
    let fields = [("tool", "text_to_image"), ("field.prompt", "x")];
    assert_eq!(visitor.post("/gallery/price", &fields).await.status(), StatusCode::NOT_FOUND);
    let deleted = visitor.post(&format!("/gallery/delete/{job}"), &[("what", "all")]).await;
    assert_eq!(deleted.status(), StatusCode::FORBIDDEN);
    served.end().await;
}

#[tokio::test]
async fn a_zip_contains_only_the_visitor_s_own_files() {
    let served = Served::guarded().await;
    let base = &served.base;
    let first = make(base, Some(ADA), "text_to_image", json!({ "prompt": "x", "n": 2 })).await;
    let second = make(base, Some(ADA), "text_to_image", json!({ "prompt": "y" })).await;
    let other = of_job(&make(base, Some(BOB), "text_to_image", json!({ "prompt": "z" })).await);
    let ada = Visitor::with_token(base, ADA).await;
    let query = format!("job={}&job={}&job={other}", of_job(&first), of_job(&second));
    let zip = ada.get(&format!("/gallery/zip?{query}")).await;
    assert_eq!(zip.headers()["content-type"], "application/zip");
    assert!(zip.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let bytes = zip.bytes().await.unwrap();
    let archive = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    let mut sizes: Vec<u64> =
        archive.entries().map(|entry| entry.unwrap().uncompressed_size_hint()).collect();
    sizes.sort_unstable();
    let views = [&first["files"][0], &first["files"][1], &second["files"][0]];
    let mut expected: Vec<u64> = views.iter().map(|file| file["bytes"].as_u64().unwrap()).collect();
    expected.sort_unstable();
    assert_eq!(sizes, expected);
    for query in ["", &format!("job={other}")] {
        assert_eq!(ada.get(&format!("/gallery/zip?{query}")).await.status(), StatusCode::BAD_REQUEST);
    }
    served.end().await;
}

#[tokio::test]
async fn money_is_shown_by_day_tool_and_model_to_its_spender() {
    let served = Served::guarded().await;
    let base = &served.base;
    make(base, Some(ADA), "text_to_image", json!({ "prompt": "x", "n": 2 })).await;
    make(base, Some(ADA), "text_to_audio", json!({ "text": "Good evening." })).await;
    let ada = Visitor::with_token(base, ADA).await;
    let page = ada.page("/gallery/money").await.replace("<wbr>", "");
    for part in ["<svg", "<caption", "text_to_image", "text_to_audio", "image-01", "$0.007"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let account =
        ada.request(Method::GET, "/gallery/money/account").send().await.unwrap().text().await.unwrap();
    assert!(account.contains("Budget and plan"), "{account}");
    let bob = Visitor::with_token(base, BOB).await.page("/gallery/money").await;
    assert!(bob.contains("Nothing was spent") && !bob.contains("image-01"), "{bob}");
    served.end().await;
}
