//! The price of a chat answer: an upper bound before it is bought, and the price of its tokens afterwards.

use serde_json::Value;

use crate::api::chat::{Ask, Usage};
use crate::facts::{TextModel, TokenPrice, facts};
use crate::jobs::Cost;
use crate::mcp::{Bill, Server, ToolError};
use crate::money::Money;

/// The number of web searches in the upper bound. MiniMax decides how many it makes.
const SEARCHES: u64 = 10;

/// The most tokens of an answer when a spending limit applies and the caller gives no `max_tokens`.
const USUAL: u32 = 16_384;

/// The fewest tokens of an answer that is worth its price.
const LEAST: u32 = 256;

/// The most tokens that a protocol adds to a conversation.
const FRAME: u64 = 1024;

/// The most tokens that a request can be billed for.
#[derive(Debug, Clone, Copy)]
struct Bound {
    input: u64,
    output: u64,
}

/// The size of a request's input, for the upper bound of its tokens.
#[derive(Debug, Clone, Copy)]
struct Input {
    bytes: u64,
    /// The input has images, videos or searches, whose tokens are not documented.
    open: bool,
}

impl Input {
    fn of(ask: &Ask) -> Self {
        let bytes = u64::try_from(ask.size()).unwrap_or(u64::MAX);
        Self { bytes, open: ask.web_search || has_media(&ask.messages) }
    }
}

impl Bound {
    /// A token is at least one byte, so a text has at most as many tokens as bytes. The tokens of images, videos and web
    /// searches are not documented, so they count as all of the context that the answer leaves.
    fn of(input: Input, max_tokens: Option<u32>, row: &TextModel) -> Self {
        let output = u64::from(max_tokens.unwrap_or(row.max_output)).min(row.context);
        let room = row.context.saturating_sub(output);
        let input = if input.open { room } else { input.bytes.saturating_add(FRAME).min(row.context) };
        Self { input, output }
    }
}

/// Whether a conversation contains images or videos, in the form of any protocol.
fn has_media(messages: &[Value]) -> bool {
    messages.iter().any(|value| match value {
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            let medium = ["image", "video"].iter().any(|word| kind.contains(word));
            medium || fields.values().any(|field| has_media(std::slice::from_ref(field)))
        }
        Value::Array(items) => has_media(items),
        _ => false,
    })
}

/// The upper bound of an answer's price.
pub(crate) fn ceiling(server: &Server, ask: &Ask) -> Cost {
    bound(server, ask, Input::of(ask), ask.max_tokens)
}

fn bound(server: &Server, ask: &Ask, input: Input, max_tokens: Option<u32>) -> Cost {
    let Some(row) = facts().text(&ask.model) else { return price(server, ask, None) };
    let Bound { input, output } = Bound::of(input, max_tokens, row);
    let searches = ask.web_search.then_some(SEARCHES);
    let mut usage = Usage { input, output, searches, ..Usage::default() };
    // Writing to the cache may cost more than reading without one.
    let costs_more = |price: TokenPrice| price.cache_write.is_some_and(|write| !write.is_within(price.input));
    if row.price(input, server.config().currency()).is_some_and(costs_more) {
        usage.cache_write = Some(input);
    }
    let mut cost = price(server, ask, Some(usage));
    cost.estimated = cost.actual.take();
    let and_searches = searches
        .map(|count| format!(" and {count} searches, which may fill the rest of the context"))
        .unwrap_or_default();
    cost.basis = cost
        .basis
        .map(|basis| format!("for up to {input} tokens in and max_tokens {output} out{and_searches}; a smaller max_tokens lowers it: {basis}"));
    cost
}

/// The cost with the amount that a gateway reported in place of the table's, if both are in the same currency.
pub(crate) fn reported(cost: Cost, reported: Option<Money>) -> Cost {
    match reported.filter(|reported| reported.currency() == cost.currency) {
        Some(amount) => Cost {
            actual: Some(amount.rounded()),
            basis: Some("as reported by the gateway".to_owned()),
            ..cost
        },
        None => cost,
    }
}

/// Chooses `max_tokens` if a spending limit applies and the caller has given none. Otherwise the price of the longest
/// possible answer would be reserved, which exceeds most limits. Returns a note for the caller.
pub(crate) async fn fit(server: &Server, ask: &mut Ask) -> Result<Option<String>, ToolError> {
    let Some(row) = facts().text(&ask.model).filter(|_| ask.max_tokens.is_none()) else { return Ok(None) };
    if !server.checkout.budget.is_limited() {
        return Ok(None);
    }
    let room = server.checkout.budget.room().await?;
    let most = USUAL.min(row.max_output);
    // Set before the size is counted, because the number is part of the request.
    ask.max_tokens = Some(most);
    let input = Input::of(ask);
    let price = |tokens: u32| bound(server, ask, input, Some(tokens)).ceiling();
    let fits =
        |limit: Money| longest(most, |tokens| price(tokens).is_some_and(|price| price.is_within(limit)));
    // Above this price a person is asked, so a useful answer below it is preferred.
    let unasked = server.config().budgets.confirm_above;
    let (tokens, why) = match (room, unasked) {
        (Some(room), _) if unasked.is_none_or(|free| fits(room.left) <= fits(free)) => {
            (fits(room.left), room.setting)
        }
        (_, Some(free)) if fits(free) >= LEAST => (fits(free), "MINIMAX_CONFIRM_ABOVE".to_owned()),
        (Some(room), _) => (fits(room.left), room.setting),
        (None, _) => (most, "MINIMAX_CONFIRM_ABOVE".to_owned()),
    };
    // If nothing fits, the purchase is refused with the price of a short answer.
    let tokens = tokens.max(LEAST.min(most));
    ask.max_tokens = Some(tokens);
    Ok(Some(format!(
        "max_tokens was not given, so {tokens} was sent: {why} limits what a call may cost. Give max_tokens to choose \
         another length"
    )))
}

/// The greatest number of tokens up to `most` that fits; 0 if none does. A longer answer costs more.
fn longest(most: u32, fits: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// The bill of a request, for the budgets and the consent question.
pub(crate) fn bill<'a>(ask: &'a Ask, prompt: &'a str, cost: &'a Cost) -> Bill<'a> {
    Bill { tool: "chat", question: "Send this to a chat model", model: &ask.model, prompt, details: "", cost }
}

/// The last text of a user in a conversation, in the form of any protocol.
pub(crate) fn last_words(ask: &Ask) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(" "),
            Value::Object(part) => part.get("text").map(text).unwrap_or_default(),
            _ => String::new(),
        }
    }
    let of_user = |message: &&Value| message.get("role").and_then(Value::as_str) == Some("user");
    let said = ask.messages.iter().rev().find(of_user).and_then(|message| message.get("content"));
    said.map(text).unwrap_or_default()
}

/// The price of an answer by its tokens.
pub(crate) fn price(server: &Server, ask: &Ask, usage: Option<Usage>) -> Cost {
    let currency = server.config().currency();
    let mut cost = Cost::unknown(currency);
    let Some(usage) = usage else { return cost };
    let Some(price) = facts().text(&ask.model).and_then(|row| row.price(usage.input, currency)) else {
        return cost;
    };
    let (read, written) = (usage.cache_read.unwrap_or_default(), usage.cache_write.unwrap_or_default());
    let fresh = usage.input.saturating_sub(read).saturating_sub(written);
    let dear = ask.service_tier.as_deref() == Some("priority");
    let factor = facts().priority_factor();
    // Searches without a known price are not free: the whole price is unknown.
    let none = Money::zero(currency);
    let searches = usage.searches.map_or(Some(none), |count| facts().searches(count, currency));
    let tokens = price.of([fresh, usage.output, read, written]);
    let tokens = if dear { tokens.and_then(|price| price.times(factor)) } else { tokens };
    let total = tokens.zip(searches).and_then(|(tokens, searches)| tokens.checked_add(searches));
    cost.actual = total.map(Money::rounded);
    let tier = if dear { format!(", times {factor} for priority") } else { String::new() };
    cost.basis = Some(format!(
        "{} in and {} out a million tokens{tier}, prices of {}",
        price.input,
        price.output,
        facts().as_of
    ));
    cost
}
