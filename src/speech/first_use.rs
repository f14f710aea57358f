//! The fee for the first use of a cloned voice.

use crate::facts::facts;
use crate::jobs::Cost;
use crate::mcp::{Server, ToolError};

/// The fee that MiniMax charges once for the first use of a cloned voice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FirstUse {
    /// How many of the voices were cloned by this server and never used.
    voices: u32,
}

/// The fee for `voices`. Designed voices add none, and neither do voices that were made elsewhere, because this server does
/// not know whether they were used.
pub(crate) async fn fee<'a>(
    server: &Server,
    voices: impl Iterator<Item = &'a str>,
) -> Result<FirstUse, ToolError> {
    let mut fee = FirstUse::default();
    for voice in voices {
        let unused = server.jobs().unused_voice(voice.trim()).await?;
        if unused.is_some_and(|made| made.tool == "voice_clone") {
            fee.voices = fee.voices.saturating_add(1);
        }
    }
    Ok(fee)
}

impl FirstUse {
    /// The price of a speech with the fee.
    pub(crate) fn add_to(self, mut cost: Cost) -> Cost {
        if self.voices == 0 {
            return cost;
        }
        let each = facts().voice.clone_first_use.in_currency(cost.currency);
        let fee = each.and_then(|each| each.times(self.voices));
        let (Some(each), Some(fee)) = (each, fee) else { return Cost::unknown(cost.currency) };
        cost.fixed = cost.fixed.map_or(Some(fee), |fixed| fixed.checked_add(fee));
        cost.estimated = cost.estimated.and_then(|price| price.checked_add(fee));
        cost.most = cost.most.and_then(|price| price.checked_add(fee));
        let basis = cost.basis.take().map(|basis| format!("{basis}; ")).unwrap_or_default();
        cost.basis = Some(format!("{basis}{each} for the first use of a cloned voice"));
        cost
    }
}
