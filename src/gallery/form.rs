//! Names with values: a query or the body of a form.

/// The pairs of a query or a form, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `a=b&c=d`.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first value of a name, unless it is blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(found, value)| found == name && !value.trim().is_empty());
        named.next().map(|(_, value)| value.as_str())
    }

    /// The values of a name that are not blank.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(found, value)| found == name && !value.trim().is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// The form as a query, with other values for some names. An empty value removes the name.
    pub(super) fn with(&self, changes: &[(&str, &str)]) -> String {
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let stays = self.0.iter().filter(|(name, value)| !is_changed(name) && !value.trim().is_empty());
        let stays = stays.map(|(name, value)| (name.as_str(), value.as_str()));
        let all = stays.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
    }
}
