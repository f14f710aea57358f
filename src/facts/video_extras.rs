//! Video templates, and what the H3 family does besides making videos.

use serde::Deserialize;

use super::{Facts, Price};

/// A video template (Video Agent > templates).
#[derive(Debug, Deserialize)]
pub struct Template {
    /// Digits.
    pub id: String,
    /// What it can be called by, the usual name first.
    pub names: Vec<String>,
    /// Whether it needs an image.
    #[serde(default)]
    pub media: bool,
    /// Whether it needs a text, and which.
    #[serde(default)]
    pub text: Option<String>,
}

/// What turns a prompt into a richer one (H3 Context-IR).
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct ContextIr {
    pub models: Vec<String>,
    /// Per million tokens that MiniMax reads.
    pub per_million_in: Price,
    /// Per million tokens that MiniMax writes.
    pub per_million_out: Price,
}

/// What makes a video again, larger (Video Regeneration).
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct Regeneration {
    pub models: Vec<String>,
    /// The resolution that it takes.
    pub from: String,
    /// How old a task may be.
    pub days: u32,
    pub per_second: Price,
    /// Per input image above `free_images`.
    pub per_image: Price,
    pub free_images: u32,
}

impl Facts {
    /// A template by its id or one of its names, however that is written.
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

    /// See [`ContextIr`].
    pub fn context_ir(&self) -> &ContextIr {
        &self.context_ir
    }

    /// See [`Regeneration`].
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
