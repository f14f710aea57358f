//! YAML, for goose.

use std::str::FromStr as _;

use serde_json::{Map, Value, json};
use yaml_edit::validator::{Rule, Severity, Validator, Violation};
use yaml_edit::{
    Document, Mapping, MappingBuilder, ScalarType, ScalarValue, SequenceBuilder, YamlError, YamlNode,
};

use super::place::{Entries, Place, Unusable, position, unexpected};
use crate::texts::setup as say;

/// A text as one document with what is around it.
struct Stream<'a> {
    /// Directives, comments and blank lines before the document.
    head: &'a str,
    body: &'a str,
    /// The end of the document (`...`), and comments and blank lines after it.
    tail: &'a str,
}

impl<'a> Stream<'a> {
    fn of(text: &'a str) -> Result<Self, Unusable> {
        let mut at = 0;
        let mut lines = text.split_inclusive('\n').map(|line| {
            let start = at;
            at += line.len();
            (start, line)
        });
        let is_outside = |line: &str| line.starts_with('%') || is_blank(line);
        let start = lines.by_ref().find(|(_, line)| !is_outside(line));
        // Without a mark, directives would be content, and comments belong to the document.
        let start = start.filter(|(_, line)| is_mark(line, "---")).map_or(0, |(start, _)| start);
        let end = lines.find(|(_, line)| is_mark(line, "...")).map_or(text.len(), |(end, _)| end);
        for (start, line) in lines {
            if !is_blank(line) && !is_mark(line, "...") {
                let (line, column) = position(text, start);
                return Err(Unusable::Damaged { line, column, message: say::more_than_a_document() });
            }
        }
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        Ok(Self { head: part(0, start), body: part(start, end), tail: part(end, text.len()) })
    }

    /// Edits the document. A mistake in it is placed in the whole text.
    fn edited(&self, edit: impl FnOnce(&str) -> Result<String, Unusable>) -> Result<String, Unusable> {
        let edited = edit(self.body).map_err(|problem| self.placed(problem))?;
        let gap = if self.tail.is_empty() || edited.is_empty() || edited.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{}{edited}{gap}{}", self.head, self.tail))
    }

    fn placed(&self, problem: Unusable) -> Unusable {
        match problem {
            Unusable::Damaged { line, column, message } => {
                Unusable::Damaged { line: line + self.head.matches('\n').count(), column, message }
            }
            other @ Unusable::Unexpected(_) => other,
        }
    }
}

/// Whether a line is this mark of a document, alone or before something.
fn is_mark(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn parse(text: &str) -> Result<Document, Unusable> {
    let document = Document::from_str(text).map_err(|error| {
        if let YamlError::Parse { message, line, column } = error {
            // A suggestion may follow the message.
            let message = message.split(". ").next().unwrap_or_default().to_owned();
            return Unusable::Damaged { line: line.unwrap_or(1), column: column.unwrap_or(1), message };
        }
        Unusable::Damaged { line: second_document(text), column: 1, message: say::more_than_a_document() }
    })?;
    // The parser repairs mistakes that a client's parser refuses, such as a tab before a name or a duplicate name.
    let mistakes = Validator::new().validate(&document);
    let start = |mistake: &Violation| mistake.text_range.map_or(0, |range| range.start as usize);
    // Clients allow a closing bracket at the start of a line, which the standard does not.
    let is_bracket = |mistake: &Violation| {
        mistake.rule == Rule::InvalidIndentation
            && text.get(start(mistake)..).is_some_and(|rest| rest.starts_with(['{', '[']))
    };
    let is_refused = |mistake: &Violation| mistake.severity == Severity::Error && !is_bracket(mistake);
    match mistakes.into_iter().find(is_refused) {
        None => Ok(document),
        Some(mistake) => {
            let (line, column) = position(text, start(&mistake));
            Err(Unusable::Damaged { line, column, message: mistake.message })
        }
    }
}

/// The line of the start of a second document, or of a directive.
fn second_document(text: &str) -> usize {
    let is_content = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let first = text.lines().position(|line| is_content(&line)).unwrap_or_default();
    let is_second =
        |(at, line): &(usize, &str)| line.starts_with('%') || (is_mark(line, "---") && *at > first);
    text.lines().enumerate().find(is_second).map_or(0, |(at, _)| at) + 1
}

/// True if the text has only comments and blank lines.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// True if a document has no content.
fn is_empty(body: &str) -> bool {
    is_blank(body)
        || body.split_once('\n').is_some_and(|(first, rest)| first.trim_end() == "---" && is_blank(rest))
}

/// The mapping that holds the servers; `None` if there is none yet.
fn servers_of(document: &Document, servers: &str) -> Result<Option<Mapping>, Unusable> {
    let top = document.as_mapping().ok_or_else(|| Unusable::Unexpected(say::not_one_object()))?;
    match top.get(servers) {
        None => Ok(None),
        Some(YamlNode::Scalar(scalar)) if value_of_scalar(&ScalarValue::from_scalar(&scalar)).is_null() => {
            Ok(None)
        }
        Some(YamlNode::Mapping(mapping)) => Ok(Some(mapping)),
        Some(YamlNode::TaggedNode(tagged)) if tagged.resolved_tag().as_deref() == Some("!!map") => {
            tagged.as_mapping().map(Some).ok_or_else(|| unexpected(servers))
        }
        // The mapping is somewhere else, where others use it too.
        Some(YamlNode::Alias(alias)) => {
            let text = document.to_string();
            let key = text.find(&format!("\n{servers}:")).unwrap_or_default();
            let rest = text.get(key..).unwrap_or_default();
            let (line, column) = position(&text, key + rest.find(alias.value().trim()).unwrap_or_default());
            Err(Unusable::Damaged { line, column, message: say::is_an_alias(servers) })
        }
        Some(_) => Err(unexpected(servers)),
    }
}

pub(super) fn entries(text: &str, servers: &str) -> Result<Entries, Unusable> {
    let stream = Stream::of(text)?;
    if is_empty(stream.body) {
        return Ok(Vec::new());
    }
    let read = || {
        let document = parse(stream.body)?;
        let Some(servers) = servers_of(&document, servers)? else { return Ok(Vec::new()) };
        Ok(fields_of(&servers).into_iter().collect())
    };
    read().map_err(|problem| stream.placed(problem))
}

pub(super) fn set(text: &str, place: Place<'_>, value: &Value) -> Result<String, Unusable> {
    let edited = Stream::of(text)?.edited(|body| set_in(body, place, value))?;
    // The parser knows less of YAML than clients do. Nothing is written that it reads differently afterwards.
    let others =
        |entries: Entries| entries.into_iter().filter(|(name, _)| name != place.name).collect::<Vec<_>>();
    let (before, after) = (entries(text, place.servers)?, entries(&edited, place.servers)?);
    let is_there = after.iter().any(|(name, found)| name == place.name && found == value);
    if !is_there || others(before) != others(after) {
        return Err(Unusable::Unexpected(say::cannot_be_edited()));
    }
    Ok(edited)
}

fn set_in(text: &str, place: Place<'_>, value: &Value) -> Result<String, Unusable> {
    let Value::Object(wanted) = value else { return Err(unexpected(place.servers)) };
    let whole = || MappingBuilder::new().insert_mapping(place.name, mapping(wanted));
    let appended = || {
        let block = MappingBuilder::new().insert_mapping(place.servers, whole()).build_document().to_string();
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{text}{gap}{}\n", block.trim_end())
    };
    if is_empty(text) {
        return Ok(appended());
    }
    let document = parse(text)?;
    let Some(servers) = servers_of(&document, place.servers)? else {
        let has_key = document.as_mapping().is_some_and(|top| top.contains_key(place.servers));
        if !has_key && document.as_mapping().is_some_and(|top| !top.is_flow_style()) {
            return Ok(appended());
        }
        let outer = whole().build_document().as_mapping();
        document.set(place.servers, outer.ok_or_else(|| unexpected(place.servers))?);
        return Ok(document.to_string());
    };
    match servers.get(place.name) {
        None => set_field(&servers, place.name, value),
        Some(YamlNode::Mapping(entry)) => update(&entry, wanted),
        Some(_) => return Err(unexpected(place.name)),
    }
    Ok(document.to_string())
}

/// Changes only the fields that differ, so that comments next to the others stay.
fn update(entry: &Mapping, wanted: &Map<String, Value>) {
    for (name, _) in fields_of(entry).iter().filter(|(name, _)| !wanted.contains_key(name)) {
        entry.remove(name.as_str());
    }
    for (name, value) in wanted {
        match (entry.get(name.as_str()), value) {
            (Some(YamlNode::Mapping(inner)), Value::Object(value)) => update(&inner, value),
            (Some(old), _) if value_of(&old) == *value => {}
            _ => set_field(entry, name, value),
        }
    }
}

fn set_field(parent: &Mapping, name: &str, value: &Value) {
    match value {
        Value::Null => parent.set(name, ScalarValue::null()),
        Value::Bool(value) => parent.set(name, *value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => parent.set(name, number),
            None => parent.set(name, number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => parent.set(name, text.as_str()),
        Value::Array(values) => {
            if let Some(list) = sequence(values).build_document().as_sequence() {
                parent.set(name, list);
            }
        }
        Value::Object(fields) => {
            if let Some(inner) = mapping(fields).build_document().as_mapping() {
                parent.set(name, inner);
            }
        }
    }
}

pub(super) fn remove(text: &str, place: Place<'_>) -> Result<String, Unusable> {
    Stream::of(text)?.edited(|body| {
        if is_empty(body) {
            return Ok(body.to_owned());
        }
        let document = parse(body)?;
        if let Some(servers) = servers_of(&document, place.servers)? {
            servers.remove(place.name);
        }
        Ok(document.to_string())
    })
}

fn fields_of(mapping: &Mapping) -> Vec<(String, Value)> {
    let entries = mapping.entries().filter_map(|entry| {
        let name = match entry.key_node()? {
            YamlNode::Scalar(scalar) => scalar.as_string(),
            other => other.to_string(),
        };
        Some((name, entry.value_node().map(|value| value_of(&value)).unwrap_or_default()))
    });
    entries.collect()
}

fn value_of(node: &YamlNode) -> Value {
    match node {
        YamlNode::Scalar(scalar) => value_of_scalar(&ScalarValue::from_scalar(scalar)),
        YamlNode::Mapping(mapping) => Value::Object(fields_of(mapping).into_iter().collect()),
        YamlNode::Sequence(list) => list.values().map(|value| value_of(&value)).collect(),
        // An alias or a tag is compared by its text.
        other => json!(other.to_string().trim()),
    }
}

fn value_of_scalar(scalar: &ScalarValue) -> Value {
    let typed = match scalar.scalar_type() {
        ScalarType::Null => Some(Value::Null),
        ScalarType::Boolean => scalar.to_bool().map(Value::from),
        ScalarType::Integer => scalar.to_i64().map(Value::from),
        ScalarType::Float => scalar.to_f64().map(Value::from),
        _ => None,
    };
    typed.unwrap_or_else(|| json!(scalar.value()))
}

fn mapping(fields: &Map<String, Value>) -> MappingBuilder {
    fields.iter().fold(MappingBuilder::new(), |built, (name, value)| match value {
        Value::Null => built.pair(name, ScalarValue::null()),
        Value::Bool(value) => built.pair(name, *value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => built.pair(name, number),
            None => built.pair(name, number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => built.pair(name, text.as_str()),
        Value::Array(values) => built.insert_sequence(name, sequence(values)),
        Value::Object(fields) => built.insert_mapping(name, mapping(fields)),
    })
}

fn sequence(values: &[Value]) -> SequenceBuilder {
    values.iter().fold(SequenceBuilder::new(), |built, value| match value {
        Value::Null => built.item(ScalarValue::null()),
        Value::Bool(value) => built.item(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => built.item(number),
            None => built.item(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => built.item(text.as_str()),
        Value::Array(values) => built.insert_sequence(sequence(values)),
        Value::Object(fields) => built.insert_mapping(mapping(fields)),
    })
}
