//! `list_models`.

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{KeyKind, Toolset};
use crate::facts::{
    ImageModel, MusicModel, Price, Protocol, Size, SpeechModel, TextModel, VideoModel, facts, plan,
};
use crate::jobs::Jobs;
use crate::mcp::ToolSpec;
use crate::mcp::catalogue::Table;
use crate::mcp::{Server, ToolError};
use crate::money::Currency;
use crate::result::Report;
use crate::tools::each_key::{self, EachKey};

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec::free("list_models", Toolset::Text)];

/// All models as a resource.
pub(crate) const TABLE: Table<Server> = Table {
    uri: "minimax://models",
    name: "models",
    title: "Models",
    description: "All MiniMax models with allowed values and prices, as list_models shows them.",
    tool: "list_models",
    read: |server| Box::pin(model_table(server)),
};

async fn model_table(server: &Server) -> Result<Value, ToolError> {
    let list = server.list_models(Parameters(ModelsInput::default())).await?;
    Ok(serde_json::to_value(list).unwrap_or_default())
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct ModelsInput {
    /// Only models of this kind. Default: all.
    #[schemars(extend("enum" = ["text", "speech", "video", "image", "music"]))]
    kind: Option<String>,
}

/// Models and what they take.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ModelList {
    models: Vec<ModelRow>,
    /// Day of the tables.
    as_of: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// One model.
#[derive(Debug, Serialize, JsonSchema)]
struct ModelRow {
    model: String,
    kind: String,
    /// Short names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    /// Legal values, the default first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    legal: Vec<String>,
    /// Absent where it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    /// Which key buys it; `none` with a plan alone that does not include it. Absent where it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["plan", "balance", "none"]))]
    bought_with: Option<&'static str>,
}

#[tool_router(router = model_tools, vis = "pub(crate)")]
impl Server {
    /// List MiniMax models with their allowed values, defaults and prices. Free.
    #[tool(
        title = "List models",
        output_schema = schema_for_output::<ModelList>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    pub(crate) async fn list_models(
        &self,
        Parameters(input): Parameters<ModelsInput>,
    ) -> Result<ModelList, ToolError> {
        let kind = input.kind.as_deref();
        let currency = self.config().currency();
        let wanted = |of: &str| kind.is_none_or(|kind| kind == of);
        // The tables are useful even with wrong settings, which are reported as warnings.
        let mut warnings: Vec<String> = self.config().problems.iter().map(ToString::to_string).collect();
        warnings.extend(self.config().warnings.iter().cloned());
        let mut models = Vec::new();
        if wanted("text") {
            let (rows, notes) = text_models(self, currency).await;
            models.extend(rows);
            warnings.extend(notes);
        }
        models.extend(
            facts()
                .music_rows()
                .iter()
                .filter(|row| wanted("music") && !row.stopped)
                .map(|row| music(row, currency)),
        );
        models.extend(
            facts().speech_rows().iter().filter(|_| wanted("speech")).map(|row| speech(row, currency)),
        );
        if wanted("speech") {
            models.push(transcription(currency));
        }
        models
            .extend(facts().video_rows().iter().filter(|_| wanted("video")).map(|row| video(row, currency)));
        models
            .extend(facts().image_rows().iter().filter(|_| wanted("image")).map(|row| image(row, currency)));
        for row in &mut models {
            row.bought_with = bought_with(self, row);
        }
        Ok(ModelList { models, as_of: facts().as_of.clone(), warnings })
    }
}

/// Which of the caller's keys buys a model, by the table of what plans include.
fn bought_with(server: &Server, row: &ModelRow) -> Option<&'static str> {
    let tool = match row.kind.as_str() {
        "text" => "chat",
        "image" => "text_to_image",
        "video" => "generate_video",
        "music" => "music_generation",
        _ if facts().speech(&row.model).is_some() => "text_to_audio",
        _ => "speech_to_text",
    };
    let in_plan = plan().includes(tool, Some(&row.model), None);
    let has_both = server.jobs().pays_with().is_some();
    match (server.key_kind(), in_plan) {
        _ if has_both => Some(if in_plan { "plan" } else { "balance" }),
        (KeyKind::Plan, true) => Some("plan"),
        (KeyKind::Plan, false) => Some("none"),
        (KeyKind::PayAsYouGo, _) => Some("balance"),
        (KeyKind::Other | KeyKind::Missing, _) => None,
    }
}

/// The text models that the key can use, in MiniMax's order, or the table if MiniMax cannot be asked.
async fn text_models(server: &Server, currency: Currency) -> (Vec<ModelRow>, Vec<String>) {
    let known = facts().text_models();
    let listed = || known.iter().filter(|row| !row.unlisted);
    let table = |why: String| {
        let note = format!("text models are those of this server's table of {}: {why}", facts().as_of);
        (listed().map(|row| text(row, currency)).collect(), vec![note])
    };
    if !server.config().problems.is_empty() {
        return table("MiniMax was not asked, because a setting is wrong".to_owned());
    }
    if !server.api().has_key() {
        return table("no API key is set, so MiniMax was not asked".to_owned());
    }
    let list = |jobs: Jobs| async move { jobs.api().text_models().await };
    let (ids, mut warnings) = match each_key::ask(server, list, Clone::clone).await {
        Ok(EachKey { rows, warnings }) => (rows.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), warnings),
        Err(error) => return table(error.to_string()),
    };
    let row = |id: &String| match known.iter().find(|row| row.model.eq_ignore_ascii_case(id)) {
        Some(row) => ModelRow { model: id.clone(), ..text(row, currency) },
        None => ModelRow {
            model: id.clone(),
            kind: "text".to_owned(),
            aliases: facts().aliases_of(id),
            legal: vec!["newer than this server's table: usable, sent as it is".to_owned()],
            price: None,
            bought_with: None,
        },
    };
    let rows = ids.iter().map(row).collect();
    let missing = listed().filter(|row| !ids.iter().any(|id| id.eq_ignore_ascii_case(&row.model)));
    let missing: Vec<_> = missing.map(|row| row.model.as_str()).collect();
    let note = format!("known here, but not listed by MiniMax for this key: {}", missing.join(", "));
    warnings.extend((!missing.is_empty()).then_some(note));
    (rows, warnings)
}

fn row(model: &str, kind: &str, legal: Vec<String>, price: Option<String>) -> ModelRow {
    let (model, kind) = (model.to_owned(), kind.to_owned());
    ModelRow { aliases: facts().aliases_of(&model), model, kind, legal, price, bought_with: None }
}

fn amount(price: Price, currency: Currency, unit: &str) -> Option<String> {
    price.in_currency(currency).map(|amount| format!("{amount} per {unit}"))
}

fn text(model: &TextModel, currency: Currency) -> ModelRow {
    row(&model.model, "text", model.limits(), model.price_list(currency))
}

fn speech(model: &SpeechModel, currency: Currency) -> ModelRow {
    let mut legal = vec![format!("emotion: {}", model.emotions.join(", "))];
    legal.extend(model.note.clone());
    if !model.not_languages.is_empty() {
        legal.push(format!("not language_boost: {}", model.not_languages.join(", ")));
    }
    row(&model.model, "speech", legal, amount(model.per_million, currency, "1M characters"))
}

fn image(model: &ImageModel, currency: Currency) -> ModelRow {
    let mut legal = vec![format!("aspect_ratio: {}", model.aspect_ratios.join(", "))];
    if model.sizes {
        legal.push("width and height: 512-2048, multiples of 8".to_owned());
    }
    if model.styles {
        legal.push("style".to_owned());
    }
    row(&model.model, "image", legal, amount(model.each, currency, "image"))
}

fn music(model: &MusicModel, currency: Currency) -> ModelRow {
    let span = |(least, most): (usize, usize)| format!("{least}-{most} characters");
    let mut legal = vec![format!("prompt {}", span(model.prompt)), format!("lyrics {}", span(model.lyrics))];
    if model.cover {
        legal.push("covers a song: reference_audio of 6 s to 6 min, up to 50 MB".to_owned());
    }
    if model.optional_lyrics {
        legal.push("is_instrumental, lyrics_optimizer".to_owned());
    }
    legal.push("closed to customers who came after 2026-08-20".to_owned());
    row(&model.model, "music", legal, amount(model.each, currency, "song"))
}

fn transcription(currency: Currency) -> ModelRow {
    let model = &facts().transcription;
    let legal = vec![
        "speech_to_text only".to_owned(),
        "up to 500 s and 50 MB: wav, aiff, flac, alac, mp3, aac, opus, ogg".to_owned(),
        format!("language: {}", model.languages.join(", ")),
    ];
    row(&model.model, "speech", legal, amount(model.per_hour, currency, "hour"))
}

fn video(model: &VideoModel, currency: Currency) -> ModelRow {
    let size = |size: &Size| format!("{} {} s", size.resolution, spans(&size.durations));
    let mut legal: Vec<String> = Vec::new();
    for (mode, sizes) in &model.modes {
        let sizes: Vec<_> = sizes.iter().map(size).collect();
        let doubt = if model.doubtful.contains(mode) { " (documents disagree)" } else { "" };
        legal.push(format!("{}: {}{doubt}", mode.words(), sizes.join(", ")));
    }
    let options =
        [("fast_pretreatment", model.fast_pretreatment), ("prompt_expansion", model.prompt_expansion)];
    legal.extend(options.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()));
    if model.protocol == Protocol::V2 {
        legal.push(
            if model.explicit_ratio { "ratio (explicit with a reference video)" } else { "ratio" }.to_owned(),
        );
    }
    row(&model.model, "video", legal, model.price_list(currency))
}

/// Shortens `4, 5, 6, 10` to `4-6 or 10`.
fn spans(numbers: &[u32]) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => spans.push((*number, *number)),
        }
    }
    let words = spans.into_iter().map(|(start, end)| match end - start {
        0 => start.to_string(),
        _ => format!("{start}-{end}"),
    });
    words.collect::<Vec<_>>().join(" or ")
}

impl IntoCallToolResult for ModelList {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let line = |row: &ModelRow| {
            let aliases =
                if row.aliases.is_empty() { String::new() } else { format!(" ({})", row.aliases.join(", ")) };
            let price = row.price.as_deref().unwrap_or("price unknown");
            let key = match row.bought_with {
                Some("plan") => "; in the plan",
                Some("none") => "; not in the plan",
                Some(_) => "; from the balance",
                None => "",
            };
            format!("{} · {}{aliases} · {}; {price}{key}", row.kind, row.model, row.legal.join("; "))
        };
        let report = Report::default()
            .content(self.models.iter().map(line))
            .head([format!("Tables of {}.", self.as_of)])
            .notes(&self.warnings);
        Ok(report.result(&self)?.into())
    }
}
