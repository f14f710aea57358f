//! The page with all jobs.

use axum::extract::{Extension, RawQuery};
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};

use super::card::card;
use super::form::Form;
use super::page::{Place, page as framed, tagged, unreadable};
use super::visitor::Visitor;
use super::words::{DAY, KINDS, STATES, start_of};
use crate::jobs::{Filter, Named, Sorting, gallery};

/// Jobs on a page.
const PAGE: u32 = 60;

/// The longest search, in characters.
const LONGEST_SEARCH: usize = 500;

/// Parses the query. Ignores parameters that it cannot parse.
fn filter(query: &Form) -> Filter {
    let word = |name: &str, known: &[(&str, &str, &str)]| {
        let given = query.get(name)?;
        known.iter().find(|(word, ..)| *word == given).map(|(word, ..)| (*word).to_owned())
    };
    let text = |name: &str| query.get(name).map(|text| text.trim().chars().take(LONGEST_SEARCH).collect());
    let since = query.get("day").and_then(start_of);
    Filter {
        status: word("state", STATES),
        kind: word("kind", KINDS),
        query: text("q"),
        model: text("model"),
        voice: text("voice"),
        since,
        until: since.map(|since| since.saturating_add(DAY)),
        sorting: sorting(query),
        before: query.get("before").and_then(place),
        limit: PAGE,
    }
}

/// The orders of the list in addition to the newest first, with their names.
const ORDERS: &[(&str, Sorting, &str, &str)] = &[
    ("oldest", Sorting::Oldest, "Oldest first", "最早在前"),
    ("price", Sorting::Priciest, "Highest price first", "价格从高到低"),
    ("length", Sorting::Longest, "Longest first", "时长从长到短"),
    ("size", Sorting::Largest, "Largest files first", "文件从大到小"),
];

fn sorting(query: &Form) -> Sorting {
    let given = query.get("sort");
    let found = ORDERS.iter().find(|(word, ..)| Some(*word) == given);
    found.map_or(Sorting::Newest, |(_, sorting, ..)| *sorting)
}

/// Reads where a page begins.
pub(super) fn place(text: &str) -> Option<(i64, String)> {
    let (at, id) = text.split_once('.')?;
    Some((at.parse().ok()?, id.to_owned()))
}

/// `GET /gallery`
pub(super) async fn page(Extension(visitor): Extension<Visitor>, RawQuery(query): RawQuery) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    let (jobs, principal) = (visitor.server.jobs(), visitor.principal());
    let found = match jobs.list(principal, &filter(&query)).await {
        Ok(found) => found,
        Err(error) => return unreadable(&visitor, &error),
    };
    let (models, voices) = tokio::join!(
        gallery::names(jobs, principal, Named::Model),
        gallery::names(jobs, principal, Named::Voice)
    );
    let next = found.next.map(|(at, id)| query.with(&[("before", &format!("{at}.{id}"))]));
    let title = visitor.say("Jobs", "任务");
    let content = html! {
        h1 class="hidden" { (title) }
        @if query.with(&[]).is_empty() { (waiting(&visitor, found.jobs.first().map_or("", |job| &job.id))) }
        (search(&visitor, &query, &models.unwrap_or_default(), &voices.unwrap_or_default()))
        @if found.jobs.is_empty() && found.reads_on {
            p class="empty" { (visitor.say("No matching jobs on this page. The next page searches more jobs.", "本页没有符合的任务。下一页会继续搜索其他任务。")) }
        } @else if found.jobs.is_empty() {
            p class="empty" { (visitor.say("No matching jobs. Results of the tools appear here.", "没有符合的任务。工具生成的内容会显示在这里。")) }
        }
        form action=(visitor.to("/zip")) {
            div class="cards" { @for job in &found.jobs { (card(&visitor, job)) } }
            @if !found.jobs.is_empty() {
                p { button type="submit" { (visitor.say("Download the selected as ZIP", "下载所选（ZIP）")) } }
            }
        }
        nav class="pages" aria-label=(visitor.say("Pages", "分页")) {
            @if query.get("before").is_some() {
                a href=(format!("{}?{}", visitor.to(""), query.with(&[("before", "")]))) { (visitor.say("First page", "第一页")) }
            }
            @if let Some(next) = next {
                a rel="next" href=(format!("{}?{next}", visitor.to(""))) { (visitor.say("Next page", "下一页")) }
            }
        }
    };
    framed(&visitor, Place::Jobs, title, &content)
}

/// An element of the page that asks regularly whether there are newer jobs.
fn waiting(visitor: &Visitor, newest: &str) -> Markup {
    let query = Form::default().with(&[("than", newest)]);
    html! {
        div id="newer" role="status" hx-get=(format!("{}?{query}", visitor.to("/newer"))) hx-trigger="every 5s" hx-swap="outerHTML" {}
    }
}

/// `GET /gallery/newer?than=…`: a link to the list, if there is a newer job.
pub(super) async fn newer(
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    let than = query.get("than").unwrap_or_default();
    let newest = Filter { limit: 1, ..Filter::default() };
    let newest = visitor.server.jobs().list(visitor.principal(), &newest).await;
    let newest = newest.ok().and_then(|page| page.jobs.into_iter().next()).map(|job| job.id);
    let content = match newest {
        Some(newest) if newest != than => html! {
            div id="newer" role="status" {
                a class="button" href=(visitor.to("")) { (visitor.say("There are new jobs: show them", "有新任务：点击查看")) }
            }
        },
        _ => waiting(&visitor, than),
    };
    tagged(&headers, "text/html; charset=utf-8", "private, no-cache", content.into_string())
}

fn search(visitor: &Visitor, query: &Form, models: &[String], voices: &[String]) -> Markup {
    let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let choice = |name: &'static str, words: &str, known: &[(&str, &str, &str)]| {
        let chosen = value(name);
        html! {
            label { (words)
                select name=(name) {
                    option value="" { (visitor.say("All", "全部")) }
                    @for (word, english, chinese) in known {
                        option value=(word) selected[*word == chosen] {
                            (if visitor.language == super::language::Language::English { english } else { chinese })
                        }
                    }
                }
            }
        }
    };
    let named = |name: &'static str, words: &str, known: &[String]| {
        let chosen = value(name);
        html! {
            @if !known.is_empty() {
                label { (words)
                    select name=(name) {
                        option value="" { (visitor.say("All", "全部")) }
                        @if !chosen.is_empty() && !known.contains(&chosen) { option value=(chosen) selected { (chosen) } }
                        @for one in known { option value=(one) selected[*one == chosen] { (one) } }
                    }
                }
            }
        }
    };
    html! {
        form class="search" role="search" action=(visitor.to("")) {
            label class="wide" { (visitor.say("Search", "搜索"))
                input type="search" name="q" value=(value("q")) placeholder=(visitor.say("Prompt or id", "提示词或编号")); }
            (choice("kind", visitor.say("Kind", "类型"), KINDS))
            (choice("state", visitor.say("State", "状态"), STATES))
            (named("model", visitor.say("Model", "模型"), models))
            (named("voice", visitor.say("Voice", "音色"), voices))
            label { (visitor.say("Day (UTC)", "日期（UTC）")) input type="date" name="day" value=(value("day")); }
            label { (visitor.say("Order", "排序"))
                select name="sort" {
                    option value="" { (visitor.say("Newest first", "最新在前")) }
                    @for (word, _, english, chinese) in ORDERS {
                        option value=(word) selected[*word == value("sort")] { (visitor.say(english, chinese)) }
                    }
                }
            }
            button type="submit" { (visitor.say("Show", "显示")) }
            a class="reset" href=(visitor.to("")) { (visitor.say("Reset", "重置")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_a_filter_and_invalid_values_are_ignored() {
        let of = |query: &str| filter(&Form::read(query.as_bytes()));
        let all = of(
            "q=fox&kind=image&state=failed&model=image-01&voice=v&day=1970-01-02&sort=oldest&before=5.a.b",
        );
        assert_eq!(all.query.as_deref(), Some("fox"));
        assert_eq!((all.kind.as_deref(), all.status.as_deref()), (Some("image"), Some("failed")));
        assert_eq!((all.model.as_deref(), all.voice.as_deref()), (Some("image-01"), Some("v")));
        assert_eq!((all.since, all.until), (Some(DAY), Some(2 * DAY)));
        assert_eq!(all.sorting, Sorting::Oldest);
        assert_eq!(all.before, Some((5, "a.b".to_owned())));
        let none = of("q=+&kind=<b>&state=x&day=soon&before=x.y&sort=");
        assert!(
            none.query.is_none() && none.kind.is_none() && none.status.is_none() && none.before.is_none()
        );
        assert!(none.since.is_none() && none.sorting == Sorting::Newest);
        assert_eq!(of("sort=price&before=-5.x").before, Some((-5, "x".to_owned())));
        assert_eq!(of("sort=id;+DROP+TABLE+jobs").sorting, Sorting::Newest);
    }
}
