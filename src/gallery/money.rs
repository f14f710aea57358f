//! Spending by day, by tool and by model, as a chart and as tables, and what is left.

use std::collections::BTreeMap;

use axum::extract::Extension;
use axum::response::{Html, IntoResponse as _, Response};
use maud::{Markup, html};
use rmcp::model::JsonObject;

use super::call::call;
use super::page::{Place, page as framed, unreadable};
use super::visitor::Visitor;
use super::words::{DAY, day};
use crate::jobs::{DaySpending, gallery, now};
use crate::money::{Currency, Money};

/// The days of the chart.
const DAYS: i64 = 30;

/// The width of a day's column and the height of the chart, in SVG units.
const COLUMN: i64 = 20;
const HEIGHT: i64 = 160;

/// Sums by name.
type Sums = BTreeMap<String, (Money, i64)>;

fn add(sums: &mut Sums, name: &str, row: &DaySpending) {
    let sum = sums.entry(name.to_owned()).or_insert((Money::zero(row.total.currency()), 0));
    sum.0 = sum.0.checked_add(row.total).unwrap_or(sum.0);
    sum.1 = sum.1.saturating_add(row.purchases);
}

/// `GET /gallery/money`
pub(super) async fn page(Extension(visitor): Extension<Visitor>) -> Response {
    let today = now().div_euclid(DAY);
    let since = today.saturating_sub(DAYS - 1);
    let rows =
        gallery::spent_by_day(visitor.server.jobs(), visitor.principal(), since.saturating_mul(DAY)).await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return unreadable(&visitor, &error),
    };
    let mut currencies: Vec<Currency> = Vec::new();
    for row in &rows {
        if !currencies.contains(&row.total.currency()) {
            currencies.push(row.total.currency());
        }
    }
    let title = visitor.say("Money", "费用");
    let content = html! {
        h1 { (title) }
        p class="note" { (visitor.say(
            "From this server's records, for the last 30 days (UTC). Unfinished jobs count at their estimate.",
            "根据本服务器的记录，最近 30 天（UTC）。未结束的按预估计算。",
        )) }
        @if rows.is_empty() { p class="empty" { (visitor.say("Nothing was spent.", "没有支出。")) } }
        @for currency in currencies {
            (of_currency(&visitor, currency, since, &rows))
        }
        section id="account" hx-get=(visitor.to("/money/account")) hx-trigger="load" hx-swap="innerHTML" {
            h2 { (visitor.say("Budget and plan", "预算与套餐")) }
            p { a href=(visitor.to("/money/account")) { (visitor.say("Ask MiniMax", "查询 MiniMax")) } }
        }
    };
    framed(&visitor, Place::Money, title, &content)
}

/// `GET /gallery/money/account`: the result of `check_account`, with budgets, balance and the windows of a plan.
pub(super) async fn account(Extension(visitor): Extension<Visitor>) -> Response {
    let answer = Box::pin(call(&visitor.server, "check_account", JsonObject::new(), false)).await;
    let content = html! {
        h2 { (visitor.say("Budget and plan", "预算与套餐")) }
        pre class="text" { (answer.text) }
    };
    Html(content.into_string()).into_response()
}

fn of_currency(visitor: &Visitor, currency: Currency, since: i64, rows: &[DaySpending]) -> Markup {
    let (mut days, mut tools, mut models) = (Sums::new(), Sums::new(), Sums::new());
    for row in rows.iter().filter(|row| row.total.currency() == currency) {
        add(&mut days, &day(row.day), row);
        add(&mut tools, &row.tool, row);
        add(&mut models, if row.model.is_empty() { "–" } else { &row.model }, row);
    }
    let all = days.values().try_fold(Money::zero(currency), |all, (sum, _)| all.checked_add(*sum));
    html! {
        section {
            h2 { (currency.as_str()) @if let Some(all) = all { " · " (all.sum_tag()) } }
            (chart(visitor, since, &days))
            (table(visitor, visitor.say("By tool", "按工具"), &tools, false))
            (table(visitor, visitor.say("By model", "按模型"), &models, false))
            (table(visitor, visitor.say("By day", "按日期"), &days, true))
        }
    }
}

/// A table with the largest sum first, or with the newest day first if it is `by_name`.
fn table(visitor: &Visitor, title: &str, sums: &Sums, by_name: bool) -> Markup {
    let mut rows: Vec<_> = sums.iter().rev().collect();
    if !by_name {
        rows.sort_by_key(|(_, (sum, _))| std::cmp::Reverse(sum.millionths()));
    }
    html! {
        table {
            caption class="hidden" { (title) }
            thead { tr {
                th scope="col" { (title) }
                th scope="col" class="sum" { (visitor.say("Purchases", "次数")) }
                th scope="col" class="sum" { (visitor.say("Spent", "支出")) }
            } }
            tbody { @for (name, (sum, purchases)) in rows {
                tr { th scope="row" { (breakable(name)) } td class="sum" { (purchases) } td class="sum" { (sum.sum_tag()) } }
            } }
        }
    }
}

/// A name that may go to the next line after an underscore or a hyphen, and nowhere else.
fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['_', '-']) { (part) wbr; } }
}

/// A chart with a column for each day. Screen readers read the table by day instead.
fn chart(visitor: &Visitor, since: i64, days: &Sums) -> Markup {
    let most = days.values().map(|(sum, _)| sum.millionths()).max().unwrap_or_default().max(1);
    let columns = (0..DAYS).filter_map(|number| {
        let name = day(since.saturating_add(number));
        let (sum, _) = days.get(&name)?;
        // Even the smallest amount gets a visible column.
        let height = (sum.millionths().max(0).saturating_mul(HEIGHT) / most).max(2);
        Some((number * COLUMN + 3, HEIGHT + 20 - height, height, format!("{name}: {}", sum.sum_tag())))
    });
    let (first, last) = (day(since), day(since.saturating_add(DAYS - 1)));
    html! {
        svg class="chart" viewBox=(format!("0 0 {} {}", DAYS * COLUMN, HEIGHT + 30)) aria-hidden="true" focusable="false" {
            @for (x, y, height, label) in columns {
                rect x=(x) y=(y) width=(COLUMN - 6) height=(height) { title { (label) } }
            }
        }
        p class="axis facts" aria-hidden="true" { span { (first) } span { (last) } }
        p class="hidden" { (visitor.say("The table by day has the values of the chart.", "按日期的表格包含图表中的数值。")) }
    }
}
