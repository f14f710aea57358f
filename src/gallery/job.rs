//! The page of a job.

use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::card::{address, state, time, title, wave};
use super::page::{Place, missing, page as framed, unreadable};
use super::shown::{Shown, shown};
use super::visitor::Visitor;
use super::words::{KINDS, cut, name};
use super::{delete, make};
use crate::jobs::{Job, JobFile, State};
use crate::media::units;

/// The longest text that the page shows, in characters.
const LONGEST: usize = 20_000;

/// `GET /gallery/jobs/{job}`
pub(super) async fn page(
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let job = match visitor.server.jobs().get(visitor.principal(), &id).await {
        Ok(Some(job)) => job,
        Ok(None) => return missing(&visitor),
        Err(error) => return unreadable(&visitor, &error),
    };
    let title = title(&visitor, &job);
    let link = visitor.to(&format!("/jobs/{}", job.id));
    let runs = !job.state.is_over();
    let content = html! {
        // While the job runs, the page refreshes this part.
        div id="job" hx-get=[runs.then_some(link.as_str())] hx-trigger=[runs.then_some("every 2s")]
            hx-select=[runs.then_some("#job")] hx-swap=[runs.then_some("outerHTML")] {
            h1 class="title" { (title) }
            p class="facts" role="status" { (state(&visitor, &job)) " " (name(KINDS, job.kind.word(), visitor.language)) }
            (outcome(&visitor, &job))
            div class="files" { @for file in &job.files { (player(&visitor, &job, file, &title)) } }
            @if let Some(text) = &job.text {
                section { h2 { (visitor.say("Text", "文本")) } pre class="text" { (cut(text, LONGEST)) } }
            }
        }
        (actions(&visitor, &job))
        (settings(&visitor, &job))
    };
    let mut response = framed(&visitor, Place::Other, &title, &content);
    if !runs && headers.contains_key("hx-request") {
        // The end of a job also changes the actions, which are outside the refreshed part.
        response
            .headers_mut()
            .insert(HeaderName::from_static("hx-refresh"), HeaderValue::from_static("true"));
    }
    response
}

fn outcome(visitor: &Visitor, job: &Job) -> Markup {
    let (problem, advice) = match &job.state {
        State::Failed { failure, .. } => (Some(failure.message.as_str()), failure.advice.as_str()),
        State::Unknown { why, .. } => (Some(why.as_str()), ""),
        _ => (None, ""),
    };
    html! {
        @if let Some(problem) = problem { p class="problem" { (problem) " " (advice) } }
        @for warning in &job.warnings { p class="note" { (visitor.say("Note: ", "提示：")) (warning) } }
    }
}

/// A file with its player.
fn player(visitor: &Visitor, job: &Job, file: &JobFile, title: &str) -> Markup {
    let Some(saved) = &file.saved else {
        let why = file.trouble.as_deref().unwrap_or_default();
        return html! { p class="note" { (file.name) ": " (visitor.say("not on disk", "不在磁盘上")) " " (why) } };
    };
    let source = address(visitor, "/media", job, file);
    let label = format!("{title} ({})", file.name);
    let beside = || {
        let subtitles = job.files.iter().find(|file| file.saved.is_some() && shown(file) == Shown::Subtitles);
        subtitles.map(|file| address(visitor, "/subtitles", job, file))
    };
    let size = match (saved.width, saved.height) {
        (Some(width), Some(height)) => format!("{width} × {height} · "),
        _ => String::new(),
    };
    let length = saved.duration_ms.map(|length| format!("{} · ", units::length(length))).unwrap_or_default();
    html! {
        figure {
            @match shown(file) {
                Shown::Image => a href=(source) { img src=(source) alt=(label) loading="lazy"; },
                Shown::Audio => @match beside() {
                    // `<video>` shows subtitles, and `<audio>` does not.
                    Some(track) => video class="sound" controls preload="metadata" aria-label=(label) src=(source) { (captions(&track)) },
                    None => {
                        (wave(visitor, job, file))
                        audio controls preload="metadata" aria-label=(label) src=(source) {}
                    },
                },
                Shown::Video => video controls playsinline preload="metadata" aria-label=(label) src=(source) {
                    @if let Some(track) = beside() { (captions(&track)) }
                },
                Shown::Subtitles | Shown::Other => span class="sign" aria-hidden="true" { "¶" },
            }
            figcaption {
                (file.name) " · " (size) (length) (units::size(saved.bytes)) " · " (saved.mime_type)
                @if !visitor.server.caller().remote { br; span class="path" { (saved.path.display().to_string()) } }
                br;
                a href=(format!("{source}?download=1")) download="" { (visitor.say("Download", "下载")) }
                (make::uses(visitor, job, file))
                (delete::file_link(visitor, job, file))
            }
        }
    }
}

fn captions(track: &str) -> Markup {
    html! { track kind="subtitles" src=(track) label="VTT" default; }
}

fn actions(visitor: &Visitor, job: &Job) -> Markup {
    html! {
        p class="acts" {
            (make::links(visitor, job))
            @if !job.files.is_empty() {
                a class="button second" href=(visitor.to(&format!("/zip?job={}", job.id))) { (visitor.say("Download all as ZIP", "全部下载（ZIP）")) }
            }
            (delete::link(visitor, job))
        }
    }
}

/// The request, and what is known about its result.
fn settings(visitor: &Visitor, job: &Job) -> Markup {
    let row = |name: &str, value: Markup| html! { dt { (name) } dd { (value) } };
    let text = |value: &str| html! { (value) };
    html! {
        section {
            h2 { (visitor.say("Prompt", "提示词")) }
            pre class="text" { (cut(&job.prompt, LONGEST)) }
        }
        section {
            h2 { (visitor.say("Settings", "设置")) }
            dl {
                (row(visitor.say("Job", "任务"), text(&job.id)))
                (row(visitor.say("Tool", "工具"), text(&job.tool)))
                @if !job.model.is_empty() { (row(visitor.say("Model", "模型"), text(&job.model))) }
                @if let Some(voice) = &job.voice_id { (row(visitor.say("Voice", "音色"), text(voice))) }
                @if let Some(price) = job.price() { (row(visitor.say("Price", "价格"), text(&price.tag()))) }
                @if let Some(task) = job.state.task() { (row(visitor.say("MiniMax task", "MiniMax 任务"), text(&task.id))) }
                (row(visitor.say("Created", "创建"), time(job.created_at)))
                (row(visitor.say("Changed", "更新"), time(job.updated_at)))
                @if let Value::Object(fields) = &job.request {
                    @for (name, value) in fields.iter().filter(|(name, _)| *name != "prompt" && *name != "text") {
                        (row(name, html! { code { (cut(&words(value), 2000)) } }))
                    }
                }
            }
        }
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
