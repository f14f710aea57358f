//! The settings inside a client's entry, judged like those of the environment.

use std::path::Path;

use secrecy::SecretString;

use super::report::Line;
use super::sources::KeySource;
use crate::config::{Config, Places, read_key};
use crate::texts::doctor as say;

const KEYS: [&str; 2] = ["MINIMAX_API_KEY", "MINIMAX_PLAN_KEY"];

/// What is wrong with the variables of an entry. `place` is its file for a person. The client fills in variables such as
/// `${HOME}` itself if `fills_in` says so; their values are not known here.
pub(super) fn lines(
    check: &'static str,
    (client, place): (&str, &str),
    variables: &[(String, String)],
    fills_in: bool,
    home: &Path,
) -> Vec<Line> {
    let is_known = |value: &str| !fills_in || !(value.contains("${") || value.starts_with('$'));
    let value = |name: &str| {
        let found = variables.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).filter(|value| is_known(value))
    };
    let places = Places { home: home.to_owned(), desktop: None, data: home.to_owned() };
    let mut config = Config::read(value, &places);
    config.warn_of_unknown(variables.iter().map(|(name, _)| name.clone()));
    config.reach_over_stdio();
    config.judge_ignored(false);
    let text = |problem: &str| say::entry_setting(client, place, problem);
    let name = |problem: &str| problem.split_whitespace().next().unwrap_or_default().to_owned();
    let mut lines: Vec<_> = config
        .problems
        .iter()
        .map(|problem| {
            let fix = say::entry_setting_wrong_fix(problem.name, place);
            Line::wrong(check, text(&problem.to_string()), fix)
        })
        .collect();
    let note = config
        .key_note
        .iter()
        .filter(|note| !config.warnings.iter().any(|warning| warning.starts_with(*note)));
    lines.extend(
        config
            .warnings
            .iter()
            .chain(note)
            .map(|warning| Line::warning(check, text(warning), say::entry_setting_fix(name(warning), place))),
    );
    let wrapped = KEYS.into_iter().filter_map(|setting| {
        let given = value(setting)?;
        let key = read_key(&given).ok().map(SecretString::from)?;
        KeySource::setting(setting, Some(given)).wrapped_in(&key)
    });
    lines.extend(wrapped.map(|setting| {
        let text = say::key_wrapped(say::entry_setting(client, place, setting));
        Line::warning(check, text, say::entry_setting_fix(setting, place))
    }));
    lines
}
