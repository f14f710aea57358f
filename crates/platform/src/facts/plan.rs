//! What a subscription plan includes, by tool. Everything that is not in the table, or is uncertain, is bought from the
//! balance.

use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{facts, overlay};

/// The table of `plan.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    #[serde(default, rename = "as_of")]
    _as_of: IgnoredAny,
    entitlements: Vec<Entitlement>,
    /// Codes of a plan whose window is used up.
    used_up: Vec<i64>,
    /// Codes of a plan that does not include the order.
    not_included: Vec<i64>,
}

/// Whether plans include a tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entitlement {
    /// The tool.
    id: String,
    in_plan: bool,
    /// The included models; empty for all.
    #[serde(default)]
    models: Vec<String>,
    /// The included purposes of an upload; empty for all.
    #[serde(default)]
    purposes: Vec<String>,
    #[serde(default, rename = "confidence")]
    _confidence: IgnoredAny,
    #[serde(default, rename = "note")]
    _note: IgnoredAny,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PlanFile {
    plan: Plan,
}

impl PlanFile {
    /// The tools that have a row.
    pub(super) fn tools(&self) -> impl Iterator<Item = &str> {
        self.plan.entitlements.iter().map(|row| row.id.as_str())
    }
}

/// Why a plan did not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanRefusal {
    /// Its window is used up, and will be reset.
    UsedUp,
    /// It does not include the order.
    NotIncluded,
}

/// The compiled-in table, with the user's overlay.
pub fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| overlay::table::<PlanFile>("plan.json").plan)
}

impl Plan {
    /// Whether plans include a tool, with this model and upload purpose if it has them.
    pub fn includes(&self, tool: &str, model: Option<&str>, purpose: Option<&str>) -> bool {
        let Some(row) = self.entitlements.iter().find(|row| row.id == tool) else { return false };
        let is_among = |all: &[String], one: Option<&str>| {
            all.is_empty() || one.is_some_and(|one| all.iter().any(|known| known.eq_ignore_ascii_case(one)))
        };
        let full = |model: &str| facts().canonical(model);
        let models: Vec<_> = row.models.iter().map(|model| full(model)).collect();
        row.in_plan && is_among(&models, model.map(full).as_deref()) && is_among(&row.purposes, purpose)
    }

    /// Whether plans include a tool only with some models.
    pub fn depends_on_model(&self, tool: &str) -> bool {
        self.entitlements.iter().any(|row| row.id == tool && !row.models.is_empty())
    }

    /// Why a plan refused an order with this code; `None` if the code has another reason.
    pub fn refusal(&self, code: Option<i64>) -> Option<PlanRefusal> {
        let code = code?;
        if self.used_up.contains(&code) {
            return Some(PlanRefusal::UsedUp);
        }
        self.not_included.contains(&code).then_some(PlanRefusal::NotIncluded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_parses_and_an_unknown_tool_is_not_in_the_plan() {
        let file: PlanFile = serde_json::from_str(include_str!("plan.json")).unwrap();
        let plan = file.plan;
        assert!(plan.includes("chat", Some("m3.1-flash"), None));
        assert!(plan.includes("chat", Some("minimax-m3"), None));
        assert!(!plan.includes("chat", Some("MiniMax-M9"), None));
        assert!(!plan.includes("chat", None, None));
        assert!(plan.includes("text_to_image", Some("image-01"), None));
        assert!(plan.includes("upload_file", None, Some("t2a_async_input")));
        assert!(!plan.includes("upload_file", None, Some("voice_clone")));
        for tool in ["generate_video", "voice_clone", "no_such_tool"] {
            assert!(!plan.includes(tool, None, None), "{tool}");
        }
        assert_eq!(plan.refusal(Some(2056)), Some(PlanRefusal::UsedUp));
        assert_eq!(plan.refusal(Some(2061)), Some(PlanRefusal::NotIncluded));
        assert_eq!(plan.refusal(Some(1008)), None);
        assert_eq!(plan.refusal(None), None);
    }
}
