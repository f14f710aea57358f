//! `list_voices`, `delete_voice`.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::retry::Nature;
use crate::api::voice::{Voice, VoiceKind};
use crate::config::{Region, Toolset};
use crate::facts::{self, facts, voices};
use crate::jobs::{Jobs, MadeVoice, PaysWith, RemoteKind};
use crate::mcp::ToolSpec;
use crate::mcp::catalogue::Table;
use crate::mcp::cursor;
use crate::mcp::{Server, ToolError};
use crate::rate_limit::group;
use crate::result::Report;
use crate::tools::each_key::{self, EachKey};
use crate::tools::voice::search_words::{fit, tokens};

pub(crate) const TOOLS: &[ToolSpec] =
    &[ToolSpec::free("list_voices", Toolset::Speech), ToolSpec::free("delete_voice", Toolset::Speech)];

/// The system voices as a resource.
pub(crate) const TABLE: Table<Server> = Table {
    uri: "minimax://voices",
    name: "voices",
    title: "System voices",
    description: "MiniMax's system voices: id, name, language, gender, description. Your own voices: list_voices.",
    tool: "list_voices",
    read: |_| Box::pin(async { Ok(voice_table()) }),
};

fn voice_table() -> Value {
    let row = |voice: &facts::SystemVoice| {
        let language = voices().language_of(&voice.id).map(facts::Language::name);
        let gender = voice.gender.map(facts::Gender::word);
        json!({
            "voice_id": voice.id, "name": voice.name, "language": language, "gender": gender,
            "description": voice.description,
        })
    };
    json!({ "as_of": voices().as_of, "voices": voices().system.iter().map(row).collect::<Vec<_>>() })
}

/// The longest description in a row, in characters.
const DESCRIPTION: usize = 80;

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    /// system: MiniMax's; voice_generation: designed. Default all.
    #[schemars(extend("enum" = ["all", "system", "voice_cloning", "voice_generation"]))]
    voice_type: Option<String>,
    /// Only this language, by name or code: English, de, yue.
    language: Option<String>,
    /// Words in id, name, description; female or male (known for most).
    query: Option<String>,
    /// Voices per page, 1-100, default 20.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// next_cursor of the previous page.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    /// Id of your own voice, from list_voices.
    voice_id: String,
    /// How it was made. Default: looked up.
    #[schemars(extend("enum" = ["voice_cloning", "voice_generation"]))]
    voice_type: Option<String>,
}

/// A page of voices.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VoiceList {
    voices: Vec<VoiceRow>,
    /// How many fit in all.
    total: u32,
    /// How many of them speak which language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<String>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What to do now.
    next: String,
}

/// A voice in short.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct VoiceRow {
    voice_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// female or male, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// system, voice_cloning or voice_generation.
    voice_type: String,
    /// plan or balance, if one key alone has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    /// A day; of one's own voices.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// More text that is searched.
    #[serde(skip)]
    more: String,
}

/// A voice that is gone.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeletedVoice {
    voice_id: String,
    voice_type: String,
    next: String,
}

#[tool_router(router = voice_list_tools, vis = "pub(crate)")]
impl Server {
    /// List voices for text_to_audio and speak: MiniMax's, and your own, unused ones made here too. Free.
    #[tool(
        title = "List voices",
        output_schema = schema_for_output::<VoiceList>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn list_voices(&self, Parameters(input): Parameters<ListInput>) -> Result<VoiceList, ToolError> {
        let start = input.cursor.as_deref();
        let start = start.map_or(Ok(0), |given| cursor::read("list_voices", given, |at| at.parse().ok()))?;
        let wanted = input.voice_type.as_deref().unwrap_or("all");
        let system = matches!(wanted, "all" | "system");
        let mut warnings = Vec::new();
        let (mut rows, mut note) = match self.checkout.ready() {
            Ok(()) => {
                let listed = listed(self, wanted).await?;
                warnings = listed.warnings;
                (listed.rows.into_iter().map(VoiceRow::of_key).collect(), None)
            }
            Err(ToolError::NoKey(_)) => (Vec::new(), Some("No MINIMAX_API_KEY is set")),
            Err(ToolError::Unpaid(_)) => (Vec::new(), Some("No X-MiniMax-Api-Key came with the request")),
            Err(error) => return Err(error),
        };
        if system && !rows.iter().any(|row| row.voice_type == VoiceKind::System.word()) {
            rows.extend(voices().system.iter().map(|voice| VoiceRow::of(from_table(&voice.id))));
            note = note.or(Some("MiniMax listed no system voices"));
        }
        rows.extend(unused(self, wanted, &rows).await?);
        sort(&mut rows, if self.config().region == Region::Cn { "zh" } else { "en" });
        let (language, query) = (input.language.as_deref(), input.query.as_deref());
        let rows = search(rows, language, query);
        let limit = input.limit.unwrap_or(20).clamp(1, 100) as usize;
        let asked = Asked { note, words: query.is_some(), language: language.is_some() };
        let mut page = page(rows, start, limit, &asked);
        warnings.push(page.next);
        page.next = warnings.join(". ");
        Ok(page)
    }

    /// Permanently delete one of your cloned or designed voices. Free.
    #[tool(
        title = "Delete voice",
        output_schema = schema_for_output::<DeletedVoice>(),
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = true, open_world_hint = true)
    )]
    async fn delete_voice(
        &self,
        Parameters(input): Parameters<DeleteInput>,
    ) -> Result<DeletedVoice, ToolError> {
        self.checkout.ready()?;
        let id = input.voice_id.trim();
        let is_system = voices().get(id).is_some();
        if !is_system && !self.inputs.ownership.may_use(RemoteKind::Voice, id).await? {
            return Err(no_voice(id));
        }
        let kind = match input.voice_type.as_deref() {
            _ if is_system => VoiceKind::System,
            Some("voice_cloning") => VoiceKind::VoiceCloning,
            Some(_) => VoiceKind::VoiceGeneration,
            None => kind_of(self, id).await?,
        };
        if kind == VoiceKind::System {
            let problem = "is a system voice, which cannot be deleted; list_voices with voice_type voice_cloning \
                           or voice_generation shows those that can";
            return Err(ToolError::argument("voice_id", problem));
        }
        let api = self.api();
        // Sent again only after a rate limit. After any other error a person should check first.
        api.queued(group::READS, Nature::Paid, || api.delete_voice(kind, id)).await?;
        if let Err(error) = self.jobs().forget_voice(id).await {
            tracing::warn!(%error, "a deleted voice is still in the records of unused voices");
        }
        Ok(DeletedVoice {
            voice_id: id.to_owned(),
            voice_type: kind.word().to_owned(),
            next: "Deleted at MiniMax; it cannot be used any more.".to_owned(),
        })
    }
}

/// The voices at MiniMax that this caller may see.
async fn listed(server: &Server, voice_type: &str) -> Result<EachKey<Voice>, ToolError> {
    let list = |jobs: Jobs| async move {
        let api = jobs.api();
        api.queued(group::READS, Nature::Read, || api.voices(voice_type)).await
    };
    let EachKey { rows, warnings } = each_key::ask(server, list, |voice| voice.id.clone()).await?;
    let (system, own): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(voice, _)| voice.kind == VoiceKind::System);
    let own = server.inputs.ownership.visible(RemoteKind::Voice, own, |(voice, _)| &voice.id).await?;
    // Every key can use system voices, whether or not MiniMax lists them for it.
    let system = system.into_iter().map(|(voice, _)| (voice, None));
    Ok(EachKey { rows: own.into_iter().chain(system).collect(), warnings })
}

/// The kind of a voice, by the tool that made it.
fn kind_by_tool(made: &MadeVoice) -> VoiceKind {
    if made.tool == "voice_design" { VoiceKind::VoiceGeneration } else { VoiceKind::VoiceCloning }
}

/// The caller's voices that MiniMax does not list yet, because they have not been used.
async fn unused(server: &Server, wanted: &str, listed: &[VoiceRow]) -> Result<Vec<VoiceRow>, ToolError> {
    let made = server.jobs().unused_voices(server.principal()).await?;
    let is_wanted = |made: &MadeVoice| wanted == "all" || wanted == kind_by_tool(made).word();
    let is_listed = |made: &MadeVoice| listed.iter().any(|row| row.voice_id == made.id);
    let missing = made.into_iter().filter(|made| is_wanted(made) && !is_listed(made));
    Ok(missing.map(|made| VoiceRow::unused(&made)).collect())
}

/// The kind of the voice with this id.
async fn kind_of(server: &Server, id: &str) -> Result<VoiceKind, ToolError> {
    let listed = listed(server, "all").await?.rows.into_iter().find(|(voice, _)| voice.id == id);
    let listed = listed.map(|(voice, _)| voice.kind);
    let made = match listed {
        Some(_) => None,
        None => server.jobs().unused_voice(id).await?.as_ref().map(kind_by_tool),
    };
    let kind = listed.or(made).or_else(|| {
        // Unused voices are not listed, but the prefix of a generated id tells its kind.
        let designed = id.starts_with("ttv-voice-").then_some(VoiceKind::VoiceGeneration);
        designed.or_else(|| voices().get(id).map(|_| VoiceKind::System))
    });
    kind.ok_or_else(|| no_voice(id))
}

fn no_voice(id: &str) -> ToolError {
    ToolError::NotFound {
        what: format!("voice `{}` in MiniMax's list", id.chars().take(64).collect::<String>()),
        advice:
            "Ids are case-sensitive; list_voices shows them. MiniMax does not list a voice that was made elsewhere and \
                 never used: give voice_type to delete one."
                .to_owned(),
    }
}

fn from_table(id: &str) -> Voice {
    let (id, description) = (id.to_owned(), String::new());
    Voice { id, kind: VoiceKind::System, name: None, description, created: None }
}

impl VoiceRow {
    fn of_key((voice, key): (Voice, Option<PaysWith>)) -> Self {
        Self { key: key.map(PaysWith::word), ..Self::of(voice) }
    }

    /// MiniMax's row, completed from the table.
    fn of(voice: Voice) -> Self {
        let known = voices().get(&voice.id).filter(|_| voice.kind == VoiceKind::System);
        let language = match voice.kind {
            VoiceKind::System => voices().language_of(&voice.id).map(|language| language.name().to_owned()),
            _ => None,
        };
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let ours = known.and_then(|known| filled(&known.description));
        let description = ours.or_else(|| filled(&voice.description));
        let name = known.map(|known| known.name.clone());
        Self {
            more: [voice.name.as_deref(), Some(&voice.description)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
            name: name.or(voice.name),
            language,
            gender: known.and_then(|known| known.gender).map(facts::Gender::word),
            description: description.map(|text| text.chars().take(DESCRIPTION).collect()),
            voice_type: voice.kind.word().to_owned(),
            key: None,
            created: voice.created,
            voice_id: voice.id,
        }
    }

    fn unused(made: &MadeVoice) -> Self {
        let ends = made.created_at.saturating_add(i64::from(facts().voice.unused_days) * DAY);
        let note = format!("made here, not used yet; MiniMax deletes it on {} unless it is used", day(ends));
        Self {
            voice_id: made.id.clone(),
            name: None,
            language: None,
            gender: None,
            description: Some(note),
            voice_type: kind_by_tool(made).word().to_owned(),
            key: None,
            created: Some(day(made.created_at)),
            more: String::new(),
        }
    }

    /// How well the words match; `None` if one of them is missing.
    fn score(&self, words: &[String]) -> Option<u32> {
        let texts = [
            (4, self.name.as_deref().unwrap_or_default()),
            (3, self.voice_id.as_str()),
            (2, self.description.as_deref().unwrap_or_default()),
            (2, self.more.as_str()),
            (2, self.gender.unwrap_or_default()),
            (1, self.language.as_deref().unwrap_or_default()),
        ];
        words.iter().try_fold(0_u32, |sum, word| {
            let best = texts.iter().map(|(weight, text)| weight * fit(text, word)).max()?;
            (best > 0).then(|| sum.saturating_add(best))
        })
    }

    /// Whether the voice speaks a language: by the table, or by the prefix of its id.
    fn speaks(&self, word: &str) -> bool {
        match voices().language(word) {
            Some(language) => self.language.as_deref() == Some(language.name()),
            None => self
                .voice_id
                .split_once('_')
                .is_some_and(|(before, _)| before.eq_ignore_ascii_case(word.trim())),
        }
    }

    fn line(&self) -> String {
        let own = (self.voice_type != VoiceKind::System.word()).then_some(self.voice_type.as_str());
        let parts = [Some(self.voice_id.as_str()), self.name.as_deref(), self.language.as_deref(), own];
        let says = |text: &Option<String>, word: &str| {
            text.as_deref().is_some_and(|text| tokens(text).any(|token| token == word))
        };
        let is_new = |word: &&str| !says(&self.name, word) && !says(&self.description, word);
        let gender = self.gender.filter(is_new);
        let parts = parts.into_iter().chain([gender, self.description.as_deref(), self.created.as_deref()]);
        let key = self.key.map(|key| format!("only with the key of the {key}"));
        parts.flatten().chain(key.as_deref()).collect::<Vec<_>>().join(" · ")
    }
}

/// In milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// A day of the calendar, in UTC.
fn day(milliseconds: i64) -> String {
    let at = jiff::Timestamp::from_second(milliseconds / 1000);
    at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// The caller's own voices first, then those of `language`, then the others in MiniMax's order.
fn sort(rows: &mut [VoiceRow], language: &str) {
    let first = voices().language(language).map(facts::Language::name);
    rows.sort_by_key(|row| {
        let is_own = row.voice_type != VoiceKind::System.word();
        (!is_own, row.language.as_deref() != first)
    });
}

/// How many of the voices speak which language, the most frequent first.
fn counts(rows: &[VoiceRow]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for language in rows.iter().filter_map(|row| row.language.as_deref()) {
        match counts.iter_mut().find(|(known, _)| *known == language) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => counts.push((language, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.into_iter().map(|(language, count)| format!("{language} {count}")).collect()
}

/// What the caller asked for.
#[derive(Debug, Default)]
struct Asked {
    /// Why MiniMax was not asked.
    note: Option<&'static str>,
    words: bool,
    language: bool,
}

/// The matching rows, best first, otherwise in MiniMax's order.
fn search(rows: Vec<VoiceRow>, language: Option<&str>, query: Option<&str>) -> Vec<VoiceRow> {
    let words: Vec<String> = query.unwrap_or_default().split_whitespace().flat_map(tokens).collect();
    let rows = rows.into_iter().filter(|row| language.is_none_or(|word| row.speaks(word)));
    let mut rated: Vec<_> = rows.filter_map(|row| Some((row.score(&words)?, row))).collect();
    rated.sort_by_key(|(score, _)| Reverse(*score));
    rated.into_iter().map(|(_, row)| row).collect()
}

fn page(rows: Vec<VoiceRow>, start: usize, limit: usize, asked: &Asked) -> VoiceList {
    let (total, languages) = (rows.len(), counts(&rows));
    let end = start.saturating_add(limit);
    let voices: Vec<_> = rows.into_iter().skip(start).take(limit).collect();
    let more = total > end;
    let note = asked.note.map(|why| {
        format!("{why}: these are the system voices by this server's table of {}. ", facts::voices().as_of)
    });
    let next = match (voices.is_empty(), more) {
        (true, _) => nothing(asked),
        (false, true) => "Give a voice_id to text_to_audio; call again with cursor for more.".to_owned(),
        (false, false) => "Give a voice_id to text_to_audio.".to_owned(),
    };
    VoiceList {
        voices,
        total: u32::try_from(total).unwrap_or(u32::MAX),
        languages,
        next_cursor: more.then(|| cursor::give("list_voices", &end.to_string())),
        next: format!("{}{next}", note.unwrap_or_default()),
    }
}

/// What to do if no voice matches.
fn nothing(asked: &Asked) -> String {
    let names: Vec<_> = facts::voices().language_names().collect();
    let fewer = if asked.words { " Try fewer words." } else { "" };
    let languages = if asked.language { format!(" Languages: {}.", names.join(", ")) } else { String::new() };
    format!("No matching voices.{fewer}{languages} voice_clone and voice_design make new ones.")
}

impl IntoCallToolResult for VoiceList {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let counts = self.languages.join(", ");
        let head = match self.total {
            1 => "1 voice".to_owned(),
            total if counts.is_empty() => format!("{total} voices"),
            total => format!("{total} voices: {counts}"),
        };
        let report = Report::default()
            .content((!self.voices.is_empty()).then_some(head))
            .content(self.voices.iter().map(VoiceRow::line))
            .fact("next_cursor", self.next_cursor.as_deref())
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}

impl IntoCallToolResult for DeletedVoice {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report =
            Report::default().head([format!("{} ({})", self.voice_id, self.voice_type)]).next(&self.next);
        Ok(report.result(&self)?.into())
    }
}
