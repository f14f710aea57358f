//! The bill of a call, before it is bought.

use crate::jobs::Cost;

/// What a call wants to buy, as the budgets and a person see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bill<'a> {
    pub(crate) tool: &'static str,
    /// The question to the person, without price and question mark, such as `Make this video`.
    pub(crate) question: &'static str,
    pub(crate) model: &'a str,
    /// The caller's words.
    pub(crate) prompt: &'a str,
    /// Size, length and number, in words.
    pub(crate) details: &'a str,
    pub(crate) cost: &'a Cost,
}
