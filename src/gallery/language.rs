//! The language of a page: English or Chinese.

use axum::http::{HeaderMap, header};

/// The name of the cookie with the visitor's chosen language.
pub(super) const COOKIE: &str = "minimax_gallery_language";

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The language for a word in an address or a cookie.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// The word for the language in `lang`, in addresses and in the cookie.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The chosen language, or the one of the two that the browser prefers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if let Some(chosen) = cookie(headers, COOKIE).and_then(|word| Self::named(&word)) {
            return chosen;
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let weighed = accepted.unwrap_or_default().split(',').filter_map(|part| {
            let mut parts = part.trim().split(';');
            let tag = parts.next()?.trim().to_ascii_lowercase();
            let language = match tag.split('-').next()? {
                "zh" => Self::Chinese,
                "en" => Self::English,
                _ => return None,
            };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
            Some((language, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0))))
        });
        // The first one with the highest weight.
        let best = weighed.fold(None, |best: Option<(Self, f32)>, (language, weight)| match best {
            Some((_, most)) if most >= weight => best,
            _ => Some((language, weight)),
        });
        best.map_or(Self::English, |(language, _)| language)
    }

    /// The text in this language.
    pub(super) fn say(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_s_preference_decides_until_a_person_has_chosen() {
        let of = |accepted: &str, cookie: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            headers.insert(header::COOKIE, cookie.parse().unwrap());
            Language::of(&headers)
        };
        for (accepted, language) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::English),
            ("de,zh;q=0.3,en;q=0.7", Language::English),
            ("en;q=0.2, zh;q=0.7", Language::Chinese),
            ("de", Language::English),
            ("", Language::English),
            ("zh;q=x", Language::Chinese),
        ] {
            assert_eq!(of(accepted, "a=b"), language, "{accepted}");
        }
        assert_eq!(of("zh", "a=b; minimax_gallery_language=en"), Language::English);
        assert_eq!(of("zh", "minimax_gallery_language=xx"), Language::Chinese);
    }
}
