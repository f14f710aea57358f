//! The limits of a call: work, lengths, records and money.

use std::io::Cursor;

use futures_util::future::join_all;
use minimax_mcp::money::{Currency, Decimal, Money};
use minimax_mcp::sandbox::{Act, Rule};
use minimax_mcp::tools;
use serde_json::{Value, json};

use crate::harness::{World, quick, text};
use crate::postgres;

fn picture(world: &World, side: u32) -> Value {
    let noise = ::image::RgbImage::from_fn(side, side, |x, y| {
        let [a, b, c, _] = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_be_bytes();
        ::image::Rgb([a, b, c])
    });
    let mut bytes = Cursor::new(Vec::new());
    noise.write_to(&mut bytes, ::image::ImageFormat::Png).unwrap();
    std::fs::create_dir_all(world.out()).unwrap();
    let path = world.out().join(format!("{side}.png"));
    std::fs::write(&path, bytes.into_inner()).unwrap();
    json!(path)
}

#[tokio::test]
async fn many_pictures_at_once_are_refused_except_for_a_few_and_can_be_tried_again() {
    let world = World::new().await;
    let arguments = json!({ "uri": picture(&world, 1200) });
    let looks = join_all((0..40).map(|_| world.call("view_media", arguments.clone()))).await;
    let (refused, shown): (Vec<_>, Vec<_>) =
        looks.into_iter().partition(|result| result.is_error == Some(true));
    assert!(shown.len() >= 4 && !refused.is_empty(), "{} shown, {} refused", shown.len(), refused.len());
    for result in refused {
        let told = text(&result);
        assert!(told.contains("Try again") && told.contains("nothing was done or billed"), "{told}");
    }
    // The permits are free again.
    world.call("view_media", arguments.clone()).await;
    assert_ne!(world.call("view_media", arguments).await.is_error, Some(true));
}

/// Tests every string of every tool, by its name in the schema.
#[tokio::test]
async fn a_text_that_is_too_long_is_refused_before_it_is_recorded_and_is_not_repeated() {
    let world = World::with(quick(), &[("MINIMAX_TOOLSETS", "all,legacy")]).await;
    let mut tried = 0;
    let catalogue = tools::catalogue();
    for tool in catalogue.tools() {
        // The lengths are checked, and left out of the list.
        let checked = catalogue.accepted(&tool.name).unwrap();
        for (name, property) in checked["properties"].as_object().unwrap() {
            let (bound, is_list) = match property.get("items") {
                Some(items) => (items["maxLength"].as_u64(), true),
                None => (property["maxLength"].as_u64(), false),
            };
            let Some(most) = bound else { continue };
            // A field that accepts a data: URI has a lower limit for paths.
            let most = if most > 4_000_000 { 4096 } else { most };
            if most > 100_000 {
                continue;
            }
            let long = "é".repeat(usize::try_from(most).unwrap() + 1);
            let value = if is_list { json!([long]) } else { json!(long) };
            let tool: &'static str = tool.name.to_string().leak();
            let refusal = world.refusal(tool, json!({ name.as_str(): value })).await;
            for part in [format!("`{name}"), format!("has {} characters", most + 1), format!("to {most}")] {
                assert!(refusal.contains(&part), "{tool}.{name}: {part}: {refusal}");
            }
            assert!(!refusal.contains("ééé"), "{tool}.{name}: {refusal}");
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(world.sandbox.requests().len(), 0);
    assert_eq!(world.make("list_jobs", json!({})).await["jobs"], json!([]));
}

#[tokio::test]
async fn a_page_of_jobs_is_below_64_kib_and_the_next_one_follows_its_last_row() {
    if crate::s3::leaves_out("folders of the caller's choice with long names") {
        return;
    }
    let world = World::new().await;
    let folder = format!("out/{}", ["long"; 50].join("-").chars().take(180).collect::<String>());
    let base = world.dir.path().join(&folder);
    let mut ids = Vec::new();
    for number in 0..30 {
        let prompt = format!("{number} {}", "\"我".repeat(700));
        let deep = base.join("a".repeat(190)).join("b".repeat(190)).join("c".repeat(190));
        let made =
            world.make("text_to_image", json!({ "prompt": prompt, "n": 2, "output_directory": deep })).await;
        ids.push(made["job_id"].clone());
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<Value>, 0);
    loop {
        let mut arguments = json!({ "limit": 50 });
        if let Some(cursor) = cursor.take() {
            arguments["cursor"] = cursor;
        }
        let result = world.call("list_jobs", arguments).await;
        let sent = serde_json::to_string(&result).unwrap();
        assert!(sent.len() < 64 * 1024, "{}", sent.len());
        let page = result.structured_content.unwrap();
        seen.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].clone()));
        pages += 1;
        match page.get("next_cursor") {
            Some(next) => cursor = Some(next.clone()),
            None => break,
        }
    }
    ids.reverse();
    assert_eq!(seen, ids, "each once, in order");
    assert!(pages > 1, "{pages}");
}

/// Records of a version that accepted names of any length.
#[tokio::test]
async fn records_of_any_size_are_listed_by_what_a_list_shows_of_them() {
    let world = World::new().await;
    let job = world.make("text_to_image", json!({ "prompt": "A fox" })).await["job_id"].clone();
    let name = "Xy\u{202e}".repeat(1_000_000);
    if postgres::chosen(world.dir.path()).is_some() {
        let mut connection = postgres::connect(world.dir.path()).await;
        let long = "UPDATE jobs SET body = CAST(CAST(body AS jsonb) || jsonb_build_object('model', $1, 'prompt', $1, 'text', $1,
                                                'request', jsonb_build_object('model', $1)) AS text)";
        sqlx::query(long).bind(name).execute(&mut connection).await.unwrap();
    } else {
        let file = world.dir.path().join("data/minimax-mcp/jobs.sqlite3");
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let long = "UPDATE jobs SET body = json_set(body, '$.model', ?1, '$.prompt', ?1, '$.text', ?1,
                                                    '$.request', json_object('model', ?1))";
        sqlx::query(long).bind(name).execute(&pool).await.unwrap();
        let body: i64 =
            sqlx::query_scalar("SELECT octet_length(body) FROM jobs").fetch_one(&pool).await.unwrap();
        assert!(body > 20_000_000, "{body}");
        pool.close().await;
    }
    for (tool, arguments) in [("list_jobs", json!({})), ("get_job", json!({ "job_id": job }))] {
        let result = world.call(tool, arguments).await;
        let sent = serde_json::to_string(&result).unwrap();
        assert!(sent.len() < 64 * 1024, "{tool}: {}", sent.len());
        assert!(sent.contains("XyXy") && sent.contains(job.as_str().unwrap()), "{tool}: {sent}");
        assert!(!sent.contains("Xy\u{202e}Xy\u{202e}") || tool == "get_job", "{tool}");
    }
}

/// An amount of a result.
fn dollars(amount: f64) -> Money {
    Money::new(Decimal::nearest(&amount.to_string()).unwrap(), Currency::Usd)
}

/// Makes a chat call with this usage, with a budget that equals its reservation.
async fn settled_within(chat: &Value, usage: &Value) {
    let priced = World::new().await;
    let dry = json!({ "prompt": "Foxes", "api": "anthropic", "dry_run": true });
    let mut rehearsed = chat.clone();
    rehearsed.as_object_mut().unwrap().extend(dry.as_object().cloned().unwrap());
    let ceiling = priced.make("chat", rehearsed).await["cost"]["estimated"].as_f64().unwrap();
    let budget = dollars(ceiling).rounded_up().amount().to_string();
    let world =
        World::with(quick(), &[("MINIMAX_BUDGET_DAY", budget.as_str()), ("MINIMAX_BUDGET_CALL", &budget)])
            .await;
    let message = json!({ "type": "message", "content": [{ "type": "text", "text": "So it is." }],
        "stop_reason": "end_turn", "usage": usage });
    world.sandbox.script(vec![Rule::once("/anthropic/v1/messages", Act::Raw { body: message.to_string() })]);
    let mut arguments = chat.clone();
    arguments["prompt"] = json!("Foxes");
    arguments["api"] = json!("anthropic");
    let answer = world.make("chat", arguments).await;
    let actual = answer["cost"]["actual"].as_f64().unwrap();
    assert!(actual > 0.0 && actual <= ceiling, "{chat}: {actual} of {ceiling}");
    let account = world.make("check_account", json!({})).await;
    for budget in account["budgets"].as_array().unwrap() {
        if let (Some(spent), Some(limit)) = (budget["spent"].as_f64(), budget["limit"].as_f64()) {
            assert!(spent <= limit, "{budget}");
        }
    }
}

#[tokio::test]
async fn the_price_of_a_search_never_exceeds_the_reserve() {
    for model in ["MiniMax-M3", "MiniMax-M3.1-Flash"] {
        for input in [400_000, 990_000] {
            settled_within(
                &json!({ "model": model, "web_search": true, "max_tokens": 10_000 }),
                &json!({ "input_tokens": input, "output_tokens": 10_000,
                    "server_tool_use": { "web_search_requests": 10 } }),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn the_price_of_cache_writes_never_exceeds_the_reserve() {
    settled_within(
        &json!({ "model": "MiniMax-M2.1", "system": "s".repeat(100_000), "max_tokens": 10 }),
        &json!({ "input_tokens": 0, "cache_creation_input_tokens": 100_000, "output_tokens": 10 }),
    )
    .await;
}

#[tokio::test]
async fn a_search_that_a_budget_cannot_hold_is_refused_with_the_figure() {
    let world =
        World::with(quick(), &[("MINIMAX_BUDGET_DAY", "0.12"), ("MINIMAX_BUDGET_CALL", "0.12")]).await;
    let search = json!({ "prompt": "Foxes", "api": "anthropic", "model": "MiniMax-M3", "web_search": true,
        "max_tokens": 100 });
    let refusal = world.refusal("chat", search).await;
    for part in ["MINIMAX_BUDGET_CALL is $0.12", "costs $0.70018 at most", "Nothing was billed"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert_eq!(world.bought(), 0);
}

/// MiniMax counts some characters twice, although its price page mentions only Chinese ones.
#[tokio::test]
async fn the_price_of_speech_in_any_script_never_exceeds_the_reserve() {
    for words in ["かなカナ", "한글", "ёлка", "你好", "Ｆｕｌｌ", "plain"] {
        let spoken = words.repeat(20);
        let open = World::new().await;
        let made = open.make("text_to_audio", json!({ "text": spoken })).await;
        let actual = dollars(made["cost"]["actual"].as_f64().unwrap());
        // The budget is the actual price less a millionth, so nothing may be bought.
        let millionth = Money::from_millionths(1, Currency::Usd);
        let budget = actual.rounded_up().left_after(millionth).amount().to_string();
        let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", budget.as_str())]).await;
        let refusal = world.refusal("text_to_audio", json!({ "text": spoken })).await;
        assert!(refusal.contains("MINIMAX_BUDGET_DAY"), "{words}: {refusal}");
        assert_eq!(world.bought(), 0, "{words}");
    }
}
