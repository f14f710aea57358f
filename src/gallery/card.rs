//! A job in the list.

use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::drawing;
use super::page::tagged;
use super::shown::{Shown, shown};
use super::visitor::Visitor;
use super::words::{KINDS, STATES, cut, moment, name};
use crate::jobs::{Job, JobFile};

/// `GET /gallery/cards/{job}`: the current card of a job, for a page that shows the job running.
pub(super) async fn fragment(
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Response {
    match visitor.server.jobs().get(visitor.principal(), &job).await {
        // The browser revalidates each time, and gets no body while nothing has changed.
        Ok(Some(job)) => {
            let text = card(&visitor, &job).into_string();
            tagged(&headers, "text/html; charset=utf-8", "private, no-cache", text)
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The address of a file of a job below a path of the gallery.
pub(super) fn address(visitor: &Visitor, path: &str, job: &Job, file: &JobFile) -> String {
    let part = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    visitor.to(&format!("{path}/{}/{}", part(&job.id), part(&file.name)))
}

/// The title of a job: the beginning of its prompt, or its kind.
pub(super) fn title(visitor: &Visitor, job: &Job) -> String {
    let prompt = cut(job.prompt.trim(), 140);
    if prompt.is_empty() { name(KINDS, job.kind.word(), visitor.language).to_owned() } else { prompt }
}

/// The state of a job, as a word with a colour.
pub(super) fn state(visitor: &Visitor, job: &Job) -> Markup {
    let word = job.state.status();
    html! { span class=(format!("state {word}")) { (name(STATES, word, visitor.language)) } }
}

/// A moment for people and machines.
pub(super) fn time(millis: i64) -> Markup {
    let (words, exact) = moment(millis);
    html! { time datetime=(exact) { (words) } }
}

/// A job in the list. While the job runs, the card refreshes itself.
pub(super) fn card(visitor: &Visitor, job: &Job) -> Markup {
    let runs = !job.state.is_over();
    let again = runs.then(|| visitor.to(&format!("/cards/{}", job.id)));
    let link = visitor.to(&format!("/jobs/{}", job.id));
    let title = title(visitor, job);
    let kind = name(KINDS, job.kind.word(), visitor.language);
    html! {
        article class="card" id=(format!("job-{}", job.id)) hx-get=[again.as_deref()]
            hx-trigger=[runs.then_some("every 2s")] hx-swap=[runs.then_some("outerHTML")] {
            (picture(visitor, job, &link, &title, kind))
            div class="about" {
                h2 { a href=(link) { (title) } }
                p class="facts" { (state(visitor, job)) " " (kind) @if !job.model.is_empty() { " · " (cut(&job.model, 40)) } }
                p class="facts" { (time(job.created_at)) }
            }
            @if !job.files.is_empty() {
                label class="pick" {
                    input type="checkbox" name="job" value=(job.id);
                    span class="hidden" { (visitor.say("Select", "选择")) " " (title) }
                }
            }
        }
    }
}

/// The waveform of an audio file, if it has one.
pub(super) fn wave(visitor: &Visitor, job: &Job, sound: &JobFile) -> Markup {
    html! {
        @if drawing::format(sound).is_some() {
            img class="wave" src=(address(visitor, "/thumbnails", job, sound)) alt="" loading="lazy" decoding="async";
        }
    }
}

fn picture(visitor: &Visitor, job: &Job, link: &str, title: &str, kind: &str) -> Markup {
    let here = |what: Shown| job.files.iter().find(|file| file.saved.is_some() && shown(file) == what);
    if let Some(image) = here(Shown::Image) {
        let count = job.files.len();
        return html! {
            a class="picture" href=(link) tabindex="-1" aria-hidden="true" {
                img src=(address(visitor, "/thumbnails", job, image)) alt="" loading="lazy" decoding="async";
                @if count > 1 { span class="count" { (count) } }
            }
        };
    }
    if let Some(audio) = here(Shown::Audio) {
        return html! {
            div class="picture sound" {
                (wave(visitor, job, audio))
                audio controls preload="none" aria-label=(title) src=(address(visitor, "/media", job, audio)) {}
            }
        };
    }
    if let Some(video) = here(Shown::Video).filter(|video| drawing::format(video).is_some()) {
        return html! {
            a class="picture" href=(link) tabindex="-1" aria-hidden="true" {
                img src=(address(visitor, "/thumbnails", job, video)) alt="" loading="lazy" decoding="async";
                span class="play" title=(kind) { "▶" }
            }
        };
    }
    let sign = match job.kind.word() {
        "video" => "▶",
        "music" | "speech" | "voice" => "♪",
        "image" => "▣",
        _ => "¶",
    };
    html! {
        a class="picture" href=(link) tabindex="-1" aria-hidden="true" { span class="sign" title=(kind) { (sign) } }
    }
}
