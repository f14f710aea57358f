//! The price of a chat answer: an upper bound before it is bought, and the price of its tokens afterwards.

use serde_json::Value;

use crate::api::{Ask, Usage};
use crate::facts::{TextModel, TokenPrice, facts, rounded};
use crate::jobs::Cost;
use crate::mcp::Server;
use crate::tools::chat::rules::row_of;

/// The number of web searches in the upper bound. MiniMax decides how many it makes.
const SEARCHES: u64 = 10;

/// The tokens that a protocol adds to a conversation, at most.
const FRAME: u64 = 1024;

/// The most tokens that a request can be billed for.
#[derive(Debug, Clone, Copy)]
struct Bound {
    input: u64,
    output: u64,
}

impl Bound {
    /// A token is at least one byte, so a text has at most as many tokens as bytes. The tokens of images, videos and web
    /// searches are not documented, so they count as all of the context that the answer leaves.
    fn of(ask: &Ask, row: &TextModel) -> Self {
        let output = u64::from(ask.max_tokens.unwrap_or(row.max_output)).min(row.context);
        let room = row.context.saturating_sub(output);
        let bytes = u64::try_from(ask.size()).unwrap_or(u64::MAX);
        let input = if ask.web_search || shows(&ask.messages) {
            room
        } else {
            bytes.saturating_add(FRAME).min(row.context)
        };
        Self { input, output }
    }
}

/// Whether a conversation contains images or videos, in the form of any protocol.
fn shows(messages: &[Value]) -> bool {
    messages.iter().any(|value| match value {
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            let medium = ["image", "video"].iter().any(|word| kind.contains(word));
            medium || fields.values().any(|field| shows(std::slice::from_ref(field)))
        }
        Value::Array(items) => shows(items),
        _ => false,
    })
}

/// The upper bound of an answer's price.
pub(super) fn ceiling(server: &Server, ask: &Ask) -> Cost {
    let Some(row) = row_of(&ask.model) else { return price(server, ask, None) };
    let Bound { input, output } = Bound::of(ask, row);
    let searches = ask.web_search.then_some(SEARCHES);
    let mut usage = Usage { input, output, searches, ..Usage::default() };
    // Writing to the cache may cost more than reading without one.
    let dear = |price: TokenPrice| price.cache_write.is_some_and(|write| write > price.input);
    if row.price(input, server.config().currency()).is_some_and(dear) {
        usage.cache_write = Some(input);
    }
    let mut cost = price(server, ask, Some(usage));
    cost.estimated = cost.actual.take();
    let less = if ask.max_tokens.is_none() { "; a smaller max_tokens lowers it" } else { "" };
    let and_searches = searches
        .map(|count| format!(" and {count} searches, which may read as much as the context has room for"))
        .unwrap_or_default();
    cost.basis = cost
        .basis
        .map(|basis| format!("at most, for {input} tokens in and {output} out{and_searches}{less}: {basis}"));
    cost
}

/// The cost that a gateway reported in US dollars, in place of a price by the table.
pub(crate) fn reported(cost: Cost, reported: Option<f64>) -> Cost {
    match reported.filter(|_| cost.currency == "USD") {
        Some(amount) => Cost {
            actual: Some(rounded(amount)),
            basis: Some("as the gateway reported it".to_owned()),
            ..cost
        },
        None => cost,
    }
}

/// The price of an answer by its tokens.
pub(super) fn price(server: &Server, ask: &Ask, usage: Option<Usage>) -> Cost {
    let currency = server.config().currency();
    let mut cost = Cost { currency: currency.to_owned(), ..Cost::default() };
    let Some(usage) = usage else { return cost };
    let Some(price) = row_of(&ask.model).and_then(|row| row.price(usage.input, currency)) else {
        return cost;
    };
    let (read, written) = (usage.cache_read.unwrap_or_default(), usage.cache_write.unwrap_or_default());
    let fresh = usage.input.saturating_sub(read).saturating_sub(written);
    let dear = ask.service_tier.as_deref() == Some("priority");
    let factor = if dear { facts().priority_factor() } else { 1.0 };
    let searches = usage.searches.and_then(|count| facts().searches(count, currency)).unwrap_or_default();
    cost.actual = Some(rounded(price.of([fresh, usage.output, read, written]) * factor + searches));
    let tier = if dear { ", times 1.5 for priority" } else { "" };
    cost.basis = Some(format!(
        "{} in and {} out {currency} a million tokens{tier}, prices of {}",
        price.input,
        price.output,
        facts().as_of
    ));
    cost
}
