//! The region of the API, its hosts and its currency.

use crate::money::Currency;

/// The region of the API. It decides the currency of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// api.minimax.io, prices in USD.
    Global,
    /// api.minimax.cn, prices in CNY.
    Cn,
}

impl Region {
    /// The currency of the region's prices.
    pub fn currency(self) -> Currency {
        match self {
            Self::Global => Currency::Usd,
            Self::Cn => Currency::Cny,
        }
    }
}

/// Hosts by region, as of 2026-11-21 (platform docs > servers of every API page): the region, its name in
/// `MINIMAX_REGION`, and the host.
pub const HOSTS: &[(Region, &str, &str)] =
    &[(Region::Global, "global", "https://api.minimax.io"), (Region::Cn, "cn", "https://api.minimax.cn")];

/// Hosts that belong to the China region, as of 2026-11-21.
pub(super) const CN_HOSTS: &[&str] =
    &["api.minimax.cn", "api.minimaxi.com", "api-bj.minimaxi.com", "api.minimax.chat"];
