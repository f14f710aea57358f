//! The fee for the first use of a cloned voice.

use crate::facts::{facts, rounded};
use crate::jobs::Cost;
use crate::mcp::{Server, ToolError};

/// What MiniMax charges once for the cloned voices of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FirstUse {
    /// How many of the voices were cloned here and never used.
    voices: u32,
}

/// The fee for `voices`. Designed voices were paid for when they were made, and of a voice that was made elsewhere this
/// server does not know whether it was used.
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
        let each = facts().voice.clone_first_use.in_currency(&cost.currency);
        let Some(each) = each else { return Cost { currency: cost.currency, ..Cost::default() } };
        let fee = each * f64::from(self.voices);
        cost.fixed += fee;
        cost.estimated = cost.estimated.map(|price| rounded(price + fee));
        cost.most = cost.most.map(|price| rounded(price + fee));
        let basis = cost.basis.take().map(|basis| format!("{basis}; ")).unwrap_or_default();
        cost.basis = Some(format!("{basis}{each} {} for the first use of a cloned voice", cost.currency));
        cost
    }
}
