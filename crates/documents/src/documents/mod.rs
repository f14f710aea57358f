//! Edits a client's configuration as text: everything but our entry keeps its bytes.

pub mod file;
mod json;
mod place;
mod toml;
mod yaml;

use serde_json::Value;

use crate::texts::setup as say;
pub use place::position;
pub use place::{Entries, Place, Unusable};

/// The format of a client's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON. Comments and trailing commas are kept where the client allows them.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// There is no file to edit: `setup` prints the entry, and explains where it belongs.
    Printed,
}

const BOM: char = '\u{feff}';

/// All entries of the file, in order, with duplicates.
pub fn entries(format: Format, text: &str, servers: &str) -> Result<Entries, Unusable> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    match format {
        Format::Json => json::entries(text, servers),
        Format::Toml => toml::entries(text, servers),
        Format::Yaml => yaml::entries(text, servers),
        Format::Printed => Ok(Vec::new()),
    }
}

/// The first position at which a parser of plain JSON fails, such as a comment or a trailing comma.
pub fn not_plain_json(text: &str) -> Option<Unusable> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    if text.trim().is_empty() {
        return None;
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let (line, column) = (error.line(), error.column());
    Some(Unusable::Damaged { line, column, message: say::comment_or_comma() })
}

/// The entries of each project in the client's file for the user, with the project's folder.
pub fn project_entries(
    format: Format,
    text: &str,
    projects: &str,
    servers: &str,
) -> Result<Vec<(String, Entries)>, Unusable> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    match format {
        Format::Json => json::project_entries(text, projects, servers),
        Format::Toml | Format::Yaml | Format::Printed => Ok(Vec::new()),
    }
}

/// The text with the entry set to `value`. `input` is an element for the list `inputs`, unless one with its `id` is there.
pub fn set(
    format: Format,
    text: &str,
    place: Place<'_>,
    value: &Value,
    input: Option<&Value>,
) -> Result<String, Unusable> {
    edited(text, |text| match format {
        Format::Json => json::set(text, place, value, input),
        Format::Toml => toml::set(text, place, value),
        Format::Yaml => yaml::set(text, place, value),
        Format::Printed => Ok(text.to_owned()),
    })
}

/// The text without the entry, and without the input with this id.
pub fn remove(format: Format, text: &str, place: Place<'_>, input: Option<&str>) -> Result<String, Unusable> {
    edited(text, |text| match format {
        Format::Json => json::remove(text, place, input),
        Format::Toml => toml::remove(text, place),
        Format::Yaml => yaml::remove(text, place),
        Format::Printed => Ok(text.to_owned()),
    })
}

/// Edits a text without its byte order mark and with uniform line ends, and restores both.
fn edited(text: &str, edit: impl FnOnce(&str) -> Result<String, Unusable>) -> Result<String, Unusable> {
    let (mark, body) = match text.strip_prefix(BOM) {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let returns = body.matches("\r\n").count();
    // With mixed line ends, each line keeps its own.
    if returns > 0 && returns == body.matches('\n').count() && returns == body.matches('\r').count() {
        let changed = edit(&body.replace("\r\n", "\n"))?;
        return Ok(format!("{mark}{}", changed.replace('\n', "\r\n")));
    }
    Ok(format!("{mark}{}", edit(body)?))
}

#[cfg(test)]
mod tests;
