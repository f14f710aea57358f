//! Video templates, and the services of the H3 family besides video generation.

use serde::Deserialize;

use super::{Facts, Price};

/// A video template (Video Agent > templates).
#[derive(Debug, Deserialize)]
pub struct Template {
    /// A string of digits.
    pub id: String,
    /// The names of the template, the usual one first.
    pub names: Vec<String>,
    /// If true, the template needs an image.
    #[serde(default)]
    pub media: bool,
    /// A description of the text that the template needs, if any.
    #[serde(default)]
    pub text: Option<String>,
}

/// The models that expand a prompt (H3 Context-IR).
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
#[serde(deny_unknown_fields)]
pub struct ContextIr {
    pub models: Vec<String>,
    /// The price of a million input tokens.
    pub per_million_in: Price,
    /// The price of a million output tokens.
    pub per_million_out: Price,
}

/// The models that regenerate a video at a higher resolution (Video Regeneration).
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
#[serde(deny_unknown_fields)]
pub struct Regeneration {
    pub models: Vec<String>,
    /// The resolution of the original video.
    pub from: String,
    /// The greatest age of the original task, in days.
    pub days: u32,
    pub per_second: Price,
    /// The price of each input image beyond the first `free_images`.
    pub per_image: Price,
    pub free_images: u32,
}

impl Facts {
    /// A template by its id or one of its names. Case and punctuation do not matter.
    pub fn template(&self, id: &str) -> Option<&Template> {
        let plain = |name: &str| name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
        let wanted = plain(id);
        self.templates
            .iter()
            .find(|row| row.id == wanted || row.names.iter().any(|name| plain(name) == wanted))
    }

    /// The usual names of all templates.
    pub fn template_names(&self) -> impl Iterator<Item = &str> {
        self.templates.iter().filter_map(|row| row.names.first()).map(String::as_str)
    }

    /// The prompt expansion; see [`ContextIr`].
    pub fn context_ir(&self) -> &ContextIr {
        &self.context_ir
    }

    /// The video regeneration; see [`Regeneration`].
    pub fn regeneration(&self) -> &Regeneration {
        &self.regeneration
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;

    #[test]
    fn a_template_is_found_by_any_of_its_names_and_by_its_id() {
        for name in ["diving", "Diving", "392753057216684038", " DIVING "] {
            assert_eq!(facts().template(name).unwrap().id, "392753057216684038", "{name}");
        }
        for name in ["run_for_life", "Run for Life", "survival"] {
            assert_eq!(facts().template(name).unwrap().id, "393769180141805569", "{name}");
        }
        assert!(facts().template("transformers").is_none() && facts().template("").is_none());
    }
}
