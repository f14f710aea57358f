//! Names that look like settings but are not.

use super::settings;

/// Variables that other programs for MiniMax read and that change nothing here, as of 2026-11-29: the official MCP
/// servers and command line, LangChain, and plugins. The last three are switches for tests of this program.
const OF_OTHERS: &[&str] = &[
    "MINIMAX_CONFIG_PATH",
    "MINIMAX_GROUP_ID",
    "MINIMAX_PAYGO_API_KEY",
    "MINIMAX_SERVER_ENDPOINT",
    "MINIMAX_SERVER_PORT",
    "MINIMAX_TOKEN_PLAN_API_KEY",
    "MINIMAX_TRANSPORT_MODE",
    "MINIMAX_CN_API_KEY",
    "MINIMAX_CONFORMANCE_FIXTURES",
    "MINIMAX_CRASH_CLOCK",
    "MINIMAX_CRASH_POINT",
];

/// Names that people know from other programs, and the settings with the same meaning here.
const EXPECTED: &[(&str, &str)] = &[
    ("MINIMAX_API_TOKEN", "MINIMAX_API_KEY"),
    ("MINIMAX_API_URL", "MINIMAX_API_HOST"),
    ("MINIMAX_BASE_URL", "MINIMAX_API_HOST"),
    ("MINIMAX_BASE_PATH", "MINIMAX_MCP_BASE_PATH"),
    ("MINIMAX_BUDGET", "MINIMAX_BUDGET_DAY"),
    ("MINIMAX_HOST", "MINIMAX_API_HOST"),
    ("MINIMAX_KEY", "MINIMAX_API_KEY"),
    ("MINIMAX_CHAT_MODEL", "MINIMAX_TEXT_MODEL"),
    ("MINIMAX_MODEL", "MINIMAX_TEXT_MODEL"),
    ("MINIMAX_MODEL_CHAT", "MINIMAX_TEXT_MODEL"),
    ("MINIMAX_MODEL_IMAGE", "MINIMAX_IMAGE_MODEL"),
    ("MINIMAX_MODEL_SPEECH", "MINIMAX_SPEECH_MODEL"),
    ("MINIMAX_MODEL_TEXT", "MINIMAX_TEXT_MODEL"),
    ("MINIMAX_MODEL_VIDEO", "MINIMAX_VIDEO_MODEL"),
    ("MINIMAX_OUTPUT_DIR", "MINIMAX_MCP_BASE_PATH"),
    ("MINIMAX_PLAN_API_KEY", "MINIMAX_PLAN_KEY"),
    ("MINIMAX_SECRET", "MINIMAX_API_KEY"),
    ("MINIMAX_SUBSCRIPTION_KEY", "MINIMAX_PLAN_KEY"),
    ("MINIMAX_TOKEN", "MINIMAX_API_KEY"),
    ("MINIMAX_VOICE", "MINIMAX_VOICE_ID"),
];

const PREFIX: &str = "MINIMAX_";

/// The most edits between a misspelt prefix and the right one, for names such as `MINMAX_API_KEY`.
const SLIP: usize = 2;

/// A variable that looks like a setting but is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    /// Its name.
    pub(super) name: String,
    /// The setting that is most likely meant.
    pub(super) meant: Option<&'static str>,
}

impl Unknown {
    /// Judges a variable by its name. `None` if the name is known, or is not similar to a setting.
    pub(super) fn of(name: &str) -> Option<Self> {
        let upper = name.to_uppercase();
        // Windows ignores the case of names.
        let read = if cfg!(windows) { upper.as_str() } else { name };
        if is_known(read) {
            return None;
        }
        let ours = upper.starts_with(PREFIX);
        let meant = nearest(&upper, ours);
        (ours || meant.is_some()).then(|| Self { name: name.to_owned(), meant })
    }

    /// What is wrong with it, after its name.
    pub(super) fn problem(&self) -> String {
        match self.meant {
            Some(meant) => format!("is not a setting; did you mean {meant}?"),
            None => "is not a setting; `minimax-mcp settings` lists them".to_owned(),
        }
    }
}

fn is_known(name: &str) -> bool {
    settings::names().any(|known| known == name) || OF_OTHERS.contains(&name)
}

/// The setting whose name is closest. A name without our prefix has to be very close.
fn nearest(name: &str, ours: bool) -> Option<&'static str> {
    if let Some((_, meant)) = EXPECTED.iter().find(|(expected, _)| *expected == name) {
        return Some(meant);
    }
    let own = settings::names().filter(|setting| setting.starts_with(PREFIX));
    if !ours {
        // Only the prefix may be misspelt, so that variables of other programs are left alone.
        let own = own.filter(|setting| name.contains('_') && may_be_slip(setting, name));
        let slips = own.map(|setting| (strsim::damerau_levenshtein(setting, name), setting));
        return slips.filter(|(slip, _)| *slip <= SLIP).min().map(|(_, setting)| setting);
    }
    let rest = |text: &'static str| text.strip_prefix(PREFIX).unwrap_or(text);
    let given = name.strip_prefix(PREFIX).unwrap_or(name);
    own.map(|setting| (strsim::normalized_damerau_levenshtein(rest(setting), given), setting))
        .filter(|(score, _)| *score >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, setting)| setting)
}

/// Whether so few edits could turn one name into the other, by their lengths and letters alone. Every variable of the
/// environment is compared with every setting before the first response, and counting edits would take most of a start.
fn may_be_slip(setting: &str, name: &str) -> bool {
    if !name.is_ascii() {
        return true;
    }
    if setting.len().abs_diff(name.len()) > SLIP {
        return false;
    }
    let mut counts = [0_i32; 128];
    for (text, step) in [(setting, 1), (name, -1)] {
        for byte in text.bytes() {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += step;
            }
        }
    }
    let differing: u32 = counts.iter().map(|count| count.unsigned_abs()).sum();
    // An edit changes the counts of two letters at most.
    differing as usize <= 2 * SLIP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_about_a_misspelt_name_suggests_the_nearest_setting() {
        for (name, meant) in [
            ("MINIMAX_BUDGTE_DAY", "MINIMAX_BUDGET_DAY"),
            ("MINIMAX_ALOWED_DIRS", "MINIMAX_ALLOWED_DIRS"),
            ("MINIMAX_ALLOWED_DIR", "MINIMAX_ALLOWED_DIRS"),
            ("MINIMAX_API_KYE", "MINIMAX_API_KEY"),
            ("MINIMAX_APIKEY", "MINIMAX_API_KEY"),
            ("MINIMAX_PLAN_KYE", "MINIMAX_PLAN_KEY"),
            ("MINIMAX_PLANKEY", "MINIMAX_PLAN_KEY"),
            ("MINIMAX_PLAN_API_KEY", "MINIMAX_PLAN_KEY"),
            ("MINIMAX_PLAN_OVERFLOWS", "MINIMAX_PLAN_OVERFLOW"),
            ("MINIMAX_CONFIRM_ABOV", "MINIMAX_CONFIRM_ABOVE"),
            ("MINIMAX_READONLY", "MINIMAX_READ_ONLY"),
            ("MINIMAX_TOOLSET", "MINIMAX_TOOLSETS"),
            ("MINIMAX_MCP_TOKENS", "MINIMAX_MCP_TOKEN"),
            ("MINIMAX_BASE_URL", "MINIMAX_API_HOST"),
            ("MINMAX_API_KEY", "MINIMAX_API_KEY"),
            ("MINIMAXI_BUDGET_DAY", "MINIMAX_BUDGET_DAY"),
        ] {
            assert_eq!(Unknown::of(name).unwrap().meant, Some(meant), "{name}");
        }
        assert_eq!(Unknown::of("MINIMAX_FROBNICATE").unwrap().meant, None);
    }

    proptest::proptest! {
        #[test]
        fn the_quick_check_never_skips_a_name_with_two_slips(
            setting in 0..settings::SETTINGS.len(),
            slips in proptest::collection::vec((0_u8..4, 0_usize..64, b'A'..=b'Z'), 0..=SLIP),
        ) {
            let setting = settings::SETTINGS[setting].name;
            let mut name = setting.as_bytes().to_vec();
            for (kind, at, letter) in slips {
                let at = at % (name.len() - 1);
                match kind {
                    0 => name.insert(at, letter),
                    1 => drop(name.remove(at)),
                    2 => name[at] = letter,
                    _ => name.swap(at, at + 1),
                }
            }
            assert!(may_be_slip(setting, &String::from_utf8(name).unwrap()));
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn a_name_in_lower_case_is_not_read_and_the_warning_suggests_the_right_one() {
        assert_eq!(Unknown::of("minimax_api_key").unwrap().meant, Some("MINIMAX_API_KEY"));
    }

    #[test]
    fn settings_their_aliases_and_names_of_other_programs_are_not_reported() {
        let others =
            ["PATH", "HOME", "OPENAI_API_KEY", "MINIO_ACCESS_KEY", "MAX_API_KEY", "OTEL_BSP_SCHEDULE_DELAY"];
        for name in settings::names().chain(OF_OTHERS.iter().copied()).chain(others) {
            assert_eq!(Unknown::of(name), None, "{name}");
        }
    }
}
