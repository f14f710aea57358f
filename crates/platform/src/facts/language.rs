//! The language of a text, and the voice that speaks it when the caller names none.

use whatlang::{Detector, Lang, Script};

use crate::facts::voices;

/// Whatlang's languages that have voices, with their codes.
const LANGUAGES: &[(Lang, &str)] = &[
    (Lang::Ara, "ar"),
    (Lang::Ces, "cs"),
    (Lang::Cmn, "zh"),
    (Lang::Deu, "de"),
    (Lang::Ell, "el"),
    (Lang::Eng, "en"),
    (Lang::Fin, "fi"),
    (Lang::Fra, "fr"),
    (Lang::Hin, "hi"),
    (Lang::Ind, "id"),
    (Lang::Ita, "it"),
    (Lang::Jpn, "ja"),
    (Lang::Kor, "ko"),
    (Lang::Nld, "nl"),
    (Lang::Pol, "pl"),
    (Lang::Por, "pt"),
    (Lang::Ron, "ro"),
    (Lang::Rus, "ru"),
    (Lang::Spa, "es"),
    (Lang::Tha, "th"),
    (Lang::Tur, "tr"),
    (Lang::Ukr, "uk"),
    (Lang::Vie, "vi"),
];

/// How much of a long text is examined, in characters.
const READ: usize = 2000;

/// From this confidence on, whatlang's result is used without a second opinion.
const CONFIDENT: f64 = 0.5;

/// From this many characters on, whichlang's result is used without a second opinion.
const LONG: usize = 24;

/// The voice for a text, when neither the caller nor a setting names one. `boost` is the caller's `language_boost`.
pub fn default_voice(text: Option<&str>, boost: Option<&str>, china: bool) -> &'static str {
    let named = boost.and_then(|name| voices().language(name)).map(|language| language.code.as_str());
    let usual = if china { "zh" } else { "en" };
    let code = named.or_else(|| text.and_then(language_of)).unwrap_or(usual);
    voices().default_for(code).or_else(|| voices().default_for(usual)).unwrap_or_default()
}

/// The code of the language of a text; `None` for a text without letters, and for a language without voices.
pub fn language_of(text: &str) -> Option<&'static str> {
    let spoken = spoken(text);
    if let Some(code) = east_asian(&spoken) {
        return Some(code);
    }
    let allowed = LANGUAGES.iter().map(|(language, _)| *language).collect();
    let found = Detector::with_allowlist(allowed).detect(&spoken)?;
    let code = LANGUAGES.iter().find(|(language, _)| *language == found.lang()).map(|(_, code)| *code)?;
    if found.script() != Script::Latin || found.confidence() >= CONFIDENT {
        return Some(code);
    }
    // Whatlang guesses short texts in the Latin script badly, and whichlang knows fewer languages.
    let other = in_latin_script(&spoken);
    Some(if other == code || spoken.chars().count() >= LONG { other } else { "en" })
}

/// The beginning of a text without its markup: pauses, and sounds in parentheses or brackets.
fn spoken(text: &str) -> String {
    let mut depth = 0_u32;
    let outside = text.chars().take(READ).filter(|letter| {
        match letter {
            '<' | '(' | '[' => depth = depth.saturating_add(1),
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    });
    let outside: String = outside.collect();
    if outside.chars().any(char::is_alphabetic) { outside } else { text.chars().take(READ).collect() }
}

/// Chinese, Japanese or Korean, if most of the text is in it. One of their characters counts as three Latin letters.
fn east_asian(text: &str) -> Option<&'static str> {
    let (mut kana, mut hangul, mut han, mut other) = (0_usize, 0_usize, 0_usize, 0_usize);
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        let count = match letter {
            '\u{3041}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => &mut kana,
            '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => &mut hangul,
            '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' => &mut han,
            _ => &mut other,
        };
        *count = count.saturating_add(1);
    }
    let all = kana.saturating_add(hangul).saturating_add(han);
    match () {
        () if all == 0 || all.saturating_mul(3) < other => None,
        () if hangul > kana && hangul.saturating_mul(2) > han => Some("ko"),
        // A Japanese text has many Chinese characters.
        () if kana.saturating_mul(8) > han => Some("ja"),
        () => Some("zh"),
    }
}

fn in_latin_script(text: &str) -> &'static str {
    use whichlang::Lang as Which;

    match whichlang::detect_language(text) {
        Which::Deu => "de",
        Which::Fra => "fr",
        Which::Ita => "it",
        Which::Nld => "nl",
        Which::Por => "pt",
        Which::Spa => "es",
        Which::Tur => "tr",
        Which::Vie => "vi",
        _ => "en",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_short_and_long_texts_is_recognised() {
        for (text, code) in [
            ("Hello there, friend.", "en"),
            ("hi", "en"),
            ("Hi there", "en"),
            ("OK, let's go!", "en"),
            ("A fox runs.", "en"),
            ("Chapter one", "en"),
            ("Once upon a time", "en"),
            ("(laughs) That was fun <#0.5#> really", "en"),
            ("Bonjour", "fr"),
            ("Je voudrais un café", "fr"),
            ("Guten Morgen, wie geht es Ihnen heute?", "de"),
            ("Das Wetter ist heute schön.", "de"),
            ("Hola, ¿cómo estás?", "es"),
            ("El zorro marrón salta sobre el perro perezoso.", "es"),
            ("Olá, tudo bem com você?", "pt"),
            ("Ciao, come stai oggi?", "it"),
            ("Dzień dobry, jak się masz?", "pl"),
            ("Merhaba, nasılsın?", "tr"),
            ("Xin chào các bạn", "vi"),
            ("Dobrý den, jak se máte?", "cs"),
            ("Bună dimineața, ce mai faci?", "ro"),
            ("Привет, как дела?", "ru"),
            ("Привіт, як справи?", "uk"),
            ("你好，世界", "zh"),
            ("你好 hello", "zh"),
            ("こんにちは世界", "ja"),
            ("東京タワーに行きました", "ja"),
            ("안녕하세요", "ko"),
            ("สวัสดี", "th"),
            ("Γεια σου κόσμε", "el"),
            ("مرحبا بالعالم", "ar"),
            ("नमस्ते दुनिया", "hi"),
        ] {
            assert_eq!(language_of(text), Some(code), "{text}");
        }
        for text in ["", "123", "שלום", "…"] {
            assert_eq!(language_of(text), None, "{text}");
        }
    }

    #[test]
    fn the_default_voice_speaks_the_language_of_the_text() {
        for (text, boost, china, language) in [
            (Some("Hello there, friend."), None, false, "en"),
            (Some("Hello there, friend."), None, true, "en"),
            (Some("你好，世界"), None, false, "zh"),
            (Some("Das Wetter ist heute schön."), None, true, "de"),
            (Some("Hello there, friend."), Some("Japanese"), false, "ja"),
            (Some("Hello there, friend."), Some("auto"), false, "en"),
            (Some("Hej"), Some("Swedish"), false, "en"),
            (Some("42"), None, false, "en"),
            (Some("42"), None, true, "zh"),
            (None, None, true, "zh"),
        ] {
            let voice = voices().get(default_voice(text, boost, china)).unwrap();
            assert_eq!(voice.language, language, "{text:?} {boost:?} {china}");
        }
    }
}
