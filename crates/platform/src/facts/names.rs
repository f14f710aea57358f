//! The names of models, as people write them.

use super::Facts;

/// The kinds of models that a caller can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the tables")]
pub enum ModelKind {
    Text,
    Speech,
    Video,
    Image,
    Music,
}

impl ModelKind {
    const ALL: [Self; 5] = [Self::Text, Self::Speech, Self::Video, Self::Image, Self::Music];
}

/// Whether a name begins with `prefix`, in any case.
pub(super) fn begins(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A name without what people leave out or write differently: case, punctuation and the maker's name.
fn shape(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
    plain.strip_prefix("minimax").map_or_else(|| plain.clone(), str::to_owned)
}

fn digits(name: &str) -> String {
    name.chars().filter(char::is_ascii_digit).collect()
}

/// Whether `name` is `id` with one wrong, missing, extra or swapped letter. Other digits name another version, which
/// may be newer than the tables.
fn is_typo(id: &str, name: &str) -> bool {
    digits(id) == digits(name) && strsim::osa_distance(&id.to_lowercase(), &name.to_lowercase()) == 1
}

impl Facts {
    fn ids(&self, kind: ModelKind) -> Vec<&str> {
        match kind {
            ModelKind::Text => self.text_models().iter().map(|row| row.model.as_str()).collect(),
            ModelKind::Speech => self.speech_rows().iter().map(|row| row.model.as_str()).collect(),
            ModelKind::Video => self.video_rows().iter().map(|row| row.model.as_str()).collect(),
            ModelKind::Image => self.image_rows().iter().map(|row| row.model.as_str()).collect(),
            ModelKind::Music => self.music_rows().iter().map(|row| row.model.as_str()).collect(),
        }
    }

    /// The id that MiniMax expects. Removes a `minimax/` prefix, replaces a short name, and finds a known id in any
    /// case and without its `MiniMax-`. Any other name stays unchanged.
    pub fn canonical(&self, name: &str) -> String {
        let name = name.trim();
        let bare = if begins(name, "minimax/") { name.get(8..).unwrap_or(name) } else { name };
        if let Some(id) = self.aliases.get(&bare.to_lowercase()) {
            return id.clone();
        }
        let full = format!("MiniMax-{bare}");
        let mut ids = ModelKind::ALL.into_iter().flat_map(|kind| self.ids(kind));
        let is_meant = |id: &&str| id.eq_ignore_ascii_case(bare) || id.eq_ignore_ascii_case(&full);
        ids.find(is_meant).unwrap_or(bare).to_owned()
    }

    /// Whether a model is in the tables.
    pub fn knows(&self, model: &str) -> bool {
        ModelKind::ALL.into_iter().any(|kind| self.ids(kind).contains(&model))
    }

    /// The known id that an unknown name probably means: it lacks the prefix, has other punctuation, or has a typing
    /// error. `None` for known names, and for names that may be newer than the tables.
    pub fn near(&self, kind: ModelKind, name: &str) -> Option<&str> {
        let name = self.canonical(name);
        let ids = self.ids(kind);
        if name.is_empty() || ids.contains(&name.as_str()) {
            return None;
        }
        let (wanted, ending) = (shape(&name), format!("-{}", name.to_lowercase()));
        let only = |fits: &dyn Fn(&str) -> bool| {
            let mut fitting = ids.iter().copied().filter(|id| fits(id));
            fitting.next().filter(|_| fitting.next().is_none())
        };
        only(&|id| shape(id) == wanted)
            .or_else(|| only(&|id| id.to_lowercase().ends_with(&ending)))
            .or_else(|| only(&|id| is_typo(id, &name)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    #[test]
    fn names_as_people_write_them_become_ids() {
        for (name, id) in [
            ("h3", "MiniMax-H3"),
            ("minimax/MiniMax-M3", "MiniMax-M3"),
            ("MiniMax/minimax-m3", "MiniMax-M3"),
            ("minimax-h3", "MiniMax-H3"),
            (" MINIMAX-HAILUO-2.3 ", "MiniMax-Hailuo-2.3"),
            ("minimax-hailuo-2.3-fast", "MiniMax-Hailuo-2.3-Fast"),
            ("Image-01", "image-01"),
            ("SPEECH-2.8-HD", "speech-2.8-hd"),
            ("Music-3.0", "music-3.0"),
            ("Hailuo-02", "MiniMax-Hailuo-02"),
            ("minimax/h3-max", "MiniMax-H3-Max"),
            ("M2.1", "MiniMax-M2.1"),
            ("MiniMax-H9-Ultra", "MiniMax-H9-Ultra"),
            ("é", "é"),
        ] {
            assert_eq!(facts().canonical(name), id, "{name}");
        }
        assert!(facts().video("minimax-h3-max").is_some() && facts().image("IMAGE-01").is_some());
        assert!(facts().text("minimax-m3").is_some() && facts().music("MUSIC-2.6").is_some());
    }

    #[test]
    fn a_name_that_is_almost_an_id_is_recognised_and_a_new_one_is_not() {
        for (kind, name, id) in [
            (ModelKind::Video, "hailuo 2.3 fast", "MiniMax-Hailuo-2.3-Fast"),
            (ModelKind::Video, "MiniMax-Hialuo-02", "MiniMax-Hailuo-02"),
            (ModelKind::Speech, "2.8-turbo", "speech-2.8-turbo"),
            (ModelKind::Speech, "speech2.8hd", "speech-2.8-hd"),
            (ModelKind::Image, "image01", "image-01"),
            (ModelKind::Music, "musik-3.0", "music-3.0"),
        ] {
            assert_eq!(facts().near(kind, name), Some(id), "{name}");
        }
        for (kind, name) in [
            (ModelKind::Video, "MiniMax-H4"),
            (ModelKind::Video, "MiniMax-Hailuo-03"),
            (ModelKind::Video, "MiniMax-H3-Pro"),
            (ModelKind::Video, "h3"),
            (ModelKind::Speech, "hd"),
            (ModelKind::Speech, "speech-2.9-hd"),
            (ModelKind::Image, "image-02"),
            (ModelKind::Music, "music-3.1"),
            (ModelKind::Text, "gpt-5"),
            (ModelKind::Text, ""),
        ] {
            assert_eq!(facts().near(kind, name), None, "{name}");
        }
    }
}
